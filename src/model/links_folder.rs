//! The folder of links: what errors and links alike call it.

/// The folder's name, below the working directory and in a link to the main port.
pub const FOLDER: &str = "scaled_images";
