//! The answers that carry the results of work: status, fields and body of each.
mod file;
mod link;
mod picture;
