//! `demo start|stop|status|supervise|bench`: see `make help`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use holdfast_tests::demo::layout::{DemoFile, Layout};
use holdfast_tests::demo::{control, fill, mounting, supervise};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let verb = args.next().unwrap_or_default();
    let root = match args.next() {
        Some(path) => PathBuf::from(path),
        None => std::env::current_dir().context("current directory")?.join(".demo"),
    };
    let layout = Layout::new(root);
    let runtime = || tokio::runtime::Runtime::new().context("start a runtime");
    match verb.as_str() {
        "start" => {
            let mut demo = control::start(&layout)?;
            println!("The cluster is up: {} nodes.", demo.nodes.len());
            runtime()?.block_on(fill::run(&layout, demo.clone()))?;
            mounting::start(&layout, &mut demo)?;
            let tree = std::env::current_dir().context("current directory")?.join("proto");
            mounting::try_out(&layout, &tree)?;
            explain(&layout, &demo)
        }
        "stop" => control::stop(&layout),
        "status" => status(&layout),
        "supervise" => runtime()?.block_on(supervise::run(&layout)),
        other => bail!("'{other}': write start, stop or status"),
    }
}

fn status(layout: &Layout) -> Result<()> {
    if control::supervisor(layout)?.is_none() {
        println!("The demo does not run; `make demo` starts it.");
        return Ok(());
    }
    match layout.read_file()? {
        Some(demo) => explain(layout, &demo),
        None => {
            println!("The demo is starting; see {}.", layout.logs().display());
            Ok(())
        }
    }
}

fn explain(layout: &Layout, demo: &DemoFile) -> Result<()> {
    let binary = demo.binary.display();
    println!(
        "\nThe demo runs until `make demo-stop`.\n\n\
         dashboard:   {}\n\
         log in as:   {}   password: {}\n\n\
         S3:          {}  (region {})\n\
         access key:  {}\n\
         secret key:  {}\n\
         metrics:     {}/metrics   (also /healthz, /readyz; the API: /api/v1, its description: /docs)\n\
         for scripts: {}\n\
         mount:       {}\n\
         logs:        {}\n",
        demo.admin_url,
        demo.admin_user,
        demo.admin_password,
        demo.s3.iter().map(|s3| format!("http://{s3}")).collect::<Vec<_>>().join("  "),
        demo.region,
        demo.access_key,
        demo.secret_key,
        demo.admin_url,
        layout.file().display(),
        demo.mount.as_ref().map_or("none".to_owned(), |at| at.display().to_string()),
        layout.logs().display(),
    );
    for node in &demo.nodes {
        println!("node n{}: process {}, {}", node.id, node.pid, node.roles.join(" "));
    }
    println!(
        "\nTry:\n\
         export HOLDFAST_CLUSTER={}\n\
         {binary} ls -l /demo\n\
         {binary} admin status\n\
         {binary} tree -d 3 /demo\n\
         ls -l {}/demo\n\
         AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={} aws --endpoint-url http://{} --region {} s3 ls s3://demo/\n\
         kill -9 {}      # a node dies, the store carries on, the supervisor brings it back",
        layout.addresses()?,
        layout.mount().display(),
        demo.access_key,
        demo.secret_key,
        demo.s3.first().map(String::as_str).unwrap_or_default(),
        demo.region,
        demo.nodes.first().map(|node| node.pid).unwrap_or_default(),
    );
    Ok(())
}
