//! The files of shaders/: all of them are known, and what they say they use is there.

use super::files;

/// Every file is one that others use, or has entry points; those that measure the device's limits use none.
#[test]
fn no_file_is_left_over() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/shaders");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let enters = text.contains("@compute");
        assert!(enters != files::is_known(name), "{name}");
        let first = text.lines().next().unwrap();
        assert!(
            !enters || name == "peak" || first.starts_with("//! uses: "),
            "{name}: {first}"
        );
        for used in files::uses(&text) {
            let known = match used.strip_suffix('*') {
                Some(family) => files::family(family).len() == 2,
                None => used == "self" || files::is_known(used),
            };
            assert!(known, "{name} uses {used}");
        }
    }
}
