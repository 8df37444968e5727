//! `fast_image_resize`, called once for each axis, in Pillow's order of the axes: the reference for the resampling's
//! results and speed. It rounds its weights to 16 bits, so its samples sometimes differ from Pillow's.
#![allow(unreachable_pub, reason = "the same file is a module of several crates")]

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, MulDiv, PixelType, ResizeAlg, ResizeOptions, Resizer};
use scaler::raster::{Channels, Raster};

/// The kernels, and the picture between the passes, which is used again.
pub struct Twice {
    kernels: Resizer,
    alpha: MulDiv,
    options: ResizeOptions,
    between: Vec<u8>,
}

impl Twice {
    pub fn new() -> Self {
        let algorithm = ResizeAlg::Convolution(FilterType::CatmullRom);
        let options = ResizeOptions::new().resize_alg(algorithm).use_alpha(false);
        Self { kernels: Resizer::new(), alpha: MulDiv::new(), options, between: Vec::new() }
    }

    /// The samples of `source` in another size. Those of a source with alpha are multiplied in place. Not for the same size.
    pub fn resize(&mut self, source: &mut Raster, (width, height): (u32, u32), samples: &mut Vec<u8>) {
        let channels = source.channels.count();
        let pixel = if channels == 1 { PixelType::U8 } else { PixelType::U8x2 };
        let bytes = |width: u32, height: u32| width as usize * height as usize * channels;
        samples.resize(bytes(width, height), 0);
        if source.channels == Channels::LumaAlpha {
            let whole = Image::from_slice_u8(source.width, source.height, &mut source.samples, pixel);
            self.alpha.multiply_alpha_inplace(&mut whole.unwrap()).unwrap();
        }
        let from = ImageRef::new(source.width, source.height, &source.samples, pixel).unwrap();
        let mut to = Image::from_slice_u8(width, height, samples, pixel).unwrap();
        if width == source.width || height == source.height {
            self.kernels.resize(&from, &mut to, &self.options).unwrap();
        } else {
            let (columns, rows) = between((source.width, source.height), (width, height));
            self.between.resize(bytes(columns, rows), 0);
            let mut between = Image::from_slice_u8(columns, rows, &mut self.between, pixel).unwrap();
            self.kernels.resize(&from, &mut between, &self.options).unwrap();
            self.kernels.resize(&between, &mut to, &self.options).unwrap();
        }
        if source.channels == Channels::LumaAlpha {
            self.alpha.divide_alpha_inplace(&mut to).unwrap();
        }
    }
}

/// Columns and rows of the picture between the passes.
fn between(from: (u32, u32), to: (u32, u32)) -> (u32, u32) {
    let lost = |from: u32, to: u32| i64::from(from) - i64::from(to);
    let (columns, rows) = (lost(from.0, to.0), lost(from.1, to.1));
    if rows > 0 && rows > 2 * columns { (from.0, to.1) } else { (to.0, from.1) }
}
