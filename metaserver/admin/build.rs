//! The dashboard's files are taken in at compile time: what is new among them must be seen.

fn main() {
    println!("cargo::rerun-if-changed=../dashboard/dist");
    println!("cargo::rerun-if-changed=build.rs");
}
