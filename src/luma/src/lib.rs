//! Gray JPEG (ITU-T T.81): the luma of any JPEG, and gray JPEGs written, to libjpeg-turbo's bits.
