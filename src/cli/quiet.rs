//! What drivers say that nobody can do anything about.
//!
//! Where neither XDG_RUNTIME_DIR nor a display is named, as in every container, libwayland says "error:
//! XDG_RUNTIME_DIR is invalid or not set in the environment." on standard error, once for each time that Mesa's layer
//! for choosing a device (VkLayer_MESA_device_select) asks it which GPU shows the desktop. The layer asks whoever has
//! VK_KHR_wayland_surface enabled, and wgpu enables all of these, window or not, without a way to leave them out but
//! unsafe ones. With an absolute name of a display, libwayland needs no folder and says nothing; there is none by this
//! name, so the layer learns what it would have learnt: nothing.
//!
//! An environment is not safely changed in a running process, so this starts the program anew in its own place, with
//! the same process number, files and arguments: some milliseconds, where it is needed.

#[cfg(all(feature = "gpu", unix, not(target_vendor = "apple")))]
pub(crate) fn hush() {
    use std::os::unix::process::CommandExt;
    use std::path::Path;

    const DISPLAY: &str = "WAYLAND_DISPLAY";
    let is_absolute =
        |name| std::env::var_os(name).is_some_and(|path| Path::new(&path).is_absolute());
    let named = [DISPLAY, "XDG_RUNTIME_DIR"].into_iter().any(is_absolute);
    if named || std::env::var_os("WAYLAND_SOCKET").is_some() {
        return;
    }
    let mut args = std::env::args_os();
    if let (Ok(own), Some(name)) = (std::env::current_exe(), args.next()) {
        let mut again = std::process::Command::new(own);
        again
            .arg0(name)
            .args(args)
            .env(DISPLAY, "/nonexistent/wayland");
        // Where that fails, noise is all that comes of it.
        let _ = again.exec();
    }
}

#[cfg(not(all(feature = "gpu", unix, not(target_vendor = "apple"))))]
pub(crate) fn hush() {}
