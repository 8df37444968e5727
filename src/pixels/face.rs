//! Faces for the bank: samples and a JPEG of them, in base64.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use scaler::raster::Raster;

use super::encode::encode;
use super::encoders::flatten;
use crate::http::format::Format;
use crate::model::error::WorkError;
use crate::model::face::FaceImage;
use crate::model::image::Encoding;

/// How a face is written: as the defaults of any request have it.
const ENCODING: Encoding = Encoding { format: Format::Jpeg, quality: 85, background: [255; 3] };

/// Of a picture that has its size already; transparency is drawn over white. The samples are those before encoding.
///
/// # Errors
/// The encoder fails, which it does not on a sound raster.
pub fn face_image(raster: Raster) -> Result<FaceImage, WorkError> {
    let raster = flatten(raster, ENCODING.background);
    let samples = Bytes::copy_from_slice(&raster.samples);
    let file = encode(raster, &ENCODING)?;
    Ok(FaceImage { image: STANDARD.encode(file), samples })
}

#[cfg(test)]
mod tests {
    use super::*;
    use scaler::raster::Channels;

    #[test]
    fn the_samples_are_those_before_the_jpeg() {
        let samples: Vec<u8> = (0..=250).cycle().take(80 * 90).collect();
        let raster = Raster { width: 80, height: 90, channels: Channels::Luma, samples: samples.clone() };
        let face_image = face_image(raster).unwrap();
        assert_eq!(face_image.samples, samples);
        let jpeg = STANDARD.decode(&face_image.image).unwrap();
        let limits = crate::model::image::PixelLimits { pixels_max: 1 << 20, side_max: 1 << 16 };
        let probe = crate::pixels::probe(&jpeg, &limits).unwrap();
        assert_eq!((probe.format, probe.width, probe.height), (Format::Jpeg, 80, 90));
    }

    #[test]
    fn what_is_transparent_is_white() {
        let raster =
            Raster { width: 1, height: 2, channels: Channels::LumaAlpha, samples: vec![9, 0, 8, 255] };
        assert_eq!(face_image(raster).unwrap().samples, vec![255, 8]);
    }
}
