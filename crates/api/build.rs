//! Compiles the crate again when the web app was built: the files are embedded by a macro that cargo cannot
//! look into.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../ui/dist");
}
