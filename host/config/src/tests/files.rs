//! Configuration files and libraries on disk.

use super::*;

/// A folder of its own for one test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mesh-config-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder can be written");
        Self(path)
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("the temporary folder can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_missing_file_and_a_folder_in_its_place_are_named() {
    let folder = Folder::new("missing");
    let path = folder.0.join("mesh.toml");
    let error = Config::load(&path, &[]).expect_err("there is no file");
    assert_eq!(error.kind(), ErrorKind::Unreadable);
    assert_eq!(
        error.to_string(),
        format!(
            "{}: this configuration file does not exist\nhelp: name the file with `--config PATH`",
            path.display()
        )
    );
    let error = Config::load(&folder.0, &[]).expect_err("it is a folder");
    assert_eq!(error.kind(), ErrorKind::Unreadable);
}

#[test]
fn a_file_that_is_not_utf_8_is_rejected() {
    let folder = Folder::new("latin1");
    let path = folder.write("mesh.toml", b"name = \"x\"\ndomain = \"\xc3\xa9caf\xe9\"\n");
    let error = Config::load(&path, &[]).expect_err("the file is Latin-1");
    let shown = path.display();
    assert_eq!(
        error.to_string(),
        format!(
            "{shown}:2:15: this is not UTF-8 text\n2 | domain = \"écaf\u{fffd}\"\n  |               ^\n\
             help: save the file as UTF-8"
        )
    );
}

#[test]
fn a_file_with_windows_line_endings_is_read() {
    let folder = Folder::new("crlf");
    let path = folder.write("mesh.toml", FULL.replace('\n', "\r\n").as_bytes());
    let config = Config::load(&path, &[]).expect("the file is right");
    assert_eq!(config.position(config.components[1].name.at), Some((79, 8)));
    assert_eq!(config.file(), path);
    assert_eq!(config.folder(), folder.0);
}

#[test]
fn a_crate_name_a_file_name_and_a_path_find_their_library() {
    let folder = Folder::new("libraries");
    let mine = folder.write("libmy_calc.so", b"");
    folder.write("plain", b"");
    let path = folder.write("mesh.toml", b"name = \"x\"");
    let config = Config::load(&path, &[]).expect("the file is right");
    let found = |text: &str| {
        config
            .find_library(&Spanned::new(text.to_owned(), Location::Default))
            .ok()
    };
    assert_eq!(found("my-calc"), Some(mine.clone()));
    assert_eq!(found("libmy_calc.so"), Some(mine.clone()));
    assert_eq!(found("./libmy_calc.so"), Some(folder.0.join("./libmy_calc.so")));
    assert_eq!(found(&mine.display().to_string()), Some(mine));
    assert_eq!(found("plain"), Some(folder.0.join("plain")));
    assert_eq!(found("."), None);
    let candidates = good("name = \"x\"", &[]).library_candidates("my-calc");
    assert_eq!(candidates, [Path::new("./libmy_calc.so"), Path::new("./my-calc")]);
}

#[test]
fn a_missing_library_says_what_was_tried_and_what_is_near() {
    let folder = Folder::new("nearest");
    folder.write("libcalc.so", b"");
    folder.write("libecho.so", b"");
    folder.write("notes.txt", b"");
    let text = "name = \"x\"\n[[components]]\nname = \"calc\"\nlibrary = \"clac\"\n";
    let missing = |overrides: &[&str]| {
        let config = good(text, overrides);
        let error = config
            .resolve_library(&config.components[0])
            .expect_err("there is no such library");
        assert_eq!(error.kind(), ErrorKind::LibraryNotFound);
        error.to_string()
    };
    let dir = folder.0.display();
    let set = format!("plugins.dir={dir}");
    assert_eq!(
        missing(&[&set]),
        format!(
            "mesh.toml:4:11: library \"clac\" not found, tried {dir}/libclac.so, {dir}/clac\n\
             4 | library = \"clac\"\n  |           ^^^^^^\nhelp: did you mean `libcalc.so`, which is in {dir}?"
        )
    );
    assert_eq!(
        missing(&[&set, "components.calc.library=weather"]),
        format!(
            "--set components.calc.library=weather: library \"weather\" not found, \
             tried {dir}/libweather.so, {dir}/weather\nhelp: libraries in {dir}: libcalc.so, libecho.so"
        )
    );
    let none = format!("plugins.dir={dir}/none");
    let help = format!("help: the folder {dir}/none does not exist; set `dir` in [plugins]");
    assert!(missing(&[&none]).ends_with(&help));
}

#[test]
fn a_certificate_is_two_files_beside_the_configuration() {
    let text = "name = \"x\"\n[happn.tls]\ncert = \"tls/cert.pem\"\nkey = \"/etc/key.pem\"\n";
    let config = Config::parse(text, Path::new("/etc/mesh/mesh.toml"), &[]).expect("the file is right");
    let tls = config.happn.tls.expect("the section is there");
    assert_eq!(tls.cert.value, Path::new("/etc/mesh/tls/cert.pem"));
    assert_eq!(tls.key.value, Path::new("/etc/key.pem"));
    assert!(good("name = \"x\"\n", &[]).happn.tls.is_none());

    let both = ["happn.tls.cert=a.pem", "happn.tls.key=b.pem"].map(str::to_owned);
    let config = Config::parse("name = \"x\"\n", Path::new("/m/mesh.toml"), &both).expect("they are right");
    assert_eq!(
        config.happn.tls.map(|tls| tls.key.value),
        Some(PathBuf::from("/m/b.pem"))
    );
    for half in [
        "cert = \"a\"\n",
        "key = \"a\"\n",
        "",
        "cert = \"\"\nkey = \"a\"\n",
        "cert = \"a\"\nkey = 5\n",
    ] {
        let error = bad(&format!("name = \"x\"\n[happn.tls]\n{half}"), &[]);
        assert!(error.to_string().contains("[happn.tls]"), "{error}");
    }
    let error = Config::parse("name = \"x\"\n", Path::new("mesh.toml"), &both[..1]).expect_err("a half");
    assert!(
        error.to_string().contains("missing key `key` in [happn.tls]"),
        "{error}"
    );
}
