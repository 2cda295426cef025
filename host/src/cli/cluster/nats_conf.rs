//! `mesh cluster nats-conf`: users and permissions of nodes, as nats-server reads them.
//!
//! Enters: the name of a cluster, names of nodes, perhaps with public keys. Leaves: a configuration on standard output, or what is wrong
//! with the command line. Guarantees: a node may use the subjects of [`Subjects::permissions`] and no others; no password is in the
//! output, and no secret in an error.

use crate::cli::CommandError;
use crate::terminal;
use mesh_cluster::identity::{ClusterName, NodeName};
use mesh_cluster::subjects::{Permissions, Subjects};
use mesh_config::Config;
use std::collections::HashMap;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Options of `mesh cluster nats-conf`.
#[derive(clap::Args)]
#[command(after_help = "\
Prints an account with one user for each node. A node may publish its own beats, messages of its own, and answers about \
its own name. It may subscribe to the beats of all and to what is sent to it. So no node can speak as another one, or \
read what is for another one.

NODE is the `name` of a host's mesh.toml. The node logs in with its name as `user` in [cluster]. nats-server takes the \
password from an environment variable: SHOP_1_PASSWORD for the node shop-1, at least 20 random characters. The server \
reads its value as a line of its configuration. Put a value that begins with a digit or `$`, such as a bcrypt hash, in \
double quotes.

NODE=KEY is a node that logs in with `nkey` in [cluster]. KEY is the public half, which begins with U; the seed stays \
with the node.

Include the file in the configuration of each server, below its ports and certificates:
    include \"shop.conf\"

Examples:
    mesh cluster nats-conf --name shop shop-1 shop-2 > shop.conf
    mesh cluster nats-conf --config shop-1.toml shop-1 shop-2 > shop.conf
    mesh cluster nats-conf --name shop shop-1=UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4

    # On a server:
    export SHOP_1_PASSWORD=$(openssl rand -hex 24 | sed 's/.*/\"&\"/')
    nats-server -c nats.conf")]
pub struct Arguments {
    /// The nodes.
    #[arg(required = true, value_name = "NODE[=KEY]")]
    nodes: Vec<String>,
    /// The name of the cluster; without it that of [cluster] in mesh.toml.
    #[arg(long, value_name = "CLUSTER")]
    name: Option<String>,
    /// The file with [cluster].
    #[arg(
        long,
        default_value = "mesh.toml",
        value_name = "FILE",
        conflicts_with = "name"
    )]
    config: PathBuf,
}

/// A node, and how it logs in.
struct User {
    node: NodeName,
    login: Login,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Login {
    /// With the password in this variable of the server's environment.
    Password { variable: String },
    /// With the nkey that has this public half.
    Nkey { public: String },
}

/// Runs the command.
pub fn run(arguments: Arguments) -> Result<(), CommandError> {
    let Arguments { nodes, name, config } = arguments;
    let users = users(&nodes)?;
    let cluster = match name {
        Some(name) => ClusterName::new(&name).map_err(|error| CommandError::usage(error.to_string()))?,
        None => configured(&config)?,
    };
    write!(terminal::output(), "{}", Configuration { cluster, users })?;
    Ok(())
}

fn configured(file: &Path) -> Result<ClusterName, CommandError> {
    let config = Config::load(file, &[])?;
    let cluster = config.cluster.ok_or_else(|| {
        let file = file.display();
        CommandError::usage(format!(
            "{file} has no section [cluster]: say with --name CLUSTER which one it is"
        ))
    })?;
    Ok(cluster.name.value)
}

fn users(arguments: &[String]) -> Result<Vec<User>, CommandError> {
    let mut users: Vec<User> = Vec::new();
    let mut by_login: HashMap<Login, NodeName> = HashMap::new();
    for argument in arguments {
        let user = user(argument)?;
        let node = &user.node;
        if users.iter().any(|other| other.node == *node) {
            return Err(CommandError::usage(format!(
                "the node {node} is named twice: name each node once"
            )));
        }
        if let Some(other) = by_login.insert(user.login.clone(), node.clone()) {
            return Err(CommandError::usage(match &user.login {
                Login::Password { variable } => format!(
                    "the nodes {other} and {node} would have one password, {variable}: give one of them another name, or nkeys"
                ),
                Login::Nkey { .. } => {
                    format!(
                        "the nodes {other} and {node} have the same nkey: make one for each, so that they can be told apart"
                    )
                }
            }));
        }
        users.push(user);
    }
    Ok(users)
}

fn user(argument: &str) -> Result<User, CommandError> {
    let (name, key) = match argument.split_once('=') {
        Some((name, key)) => (name, Some(key)),
        None => (argument, None),
    };
    let node = NodeName::new(name).map_err(|error| CommandError::usage(error.to_string()))?;
    let login = match key {
        None => Login::Password {
            variable: variable(&node),
        },
        Some(key) if is_public_key(key) => Login::Nkey {
            public: key.to_owned(),
        },
        // It may be a seed, which is not repeated.
        Some(_) => {
            return Err(CommandError::usage(format!(
                "behind {node}= is no public half of a user's nkey: that is U and 55 letters from A to Z and digits from 2 to 7"
            )));
        }
    };
    Ok(User { node, login })
}

/// The variable with the password of a node. A shell takes no name that begins with a digit or has a `-`.
fn variable(node: &NodeName) -> String {
    let name = node.as_str().to_ascii_uppercase().replace('-', "_");
    match name.starts_with(|letter: char| letter.is_ascii_digit()) {
        true => format!("NODE_{name}_PASSWORD"),
        false => format!("{name}_PASSWORD"),
    }
}

fn is_public_key(text: &str) -> bool {
    let is_base32 = |letter: u8| letter.is_ascii_uppercase() || matches!(letter, b'2'..=b'7');
    text.len() == 56 && text.starts_with('U') && text.bytes().all(is_base32)
}

/// All that is printed.
struct Configuration {
    cluster: ClusterName,
    users: Vec<User>,
}

impl fmt::Display for Configuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Configuration { cluster, users } = self;
        let subjects = Subjects::new(cluster);
        writeln!(
            formatter,
            "# The nodes of the mesh cluster {cluster}. No node can speak as another one."
        )?;
        writeln!(
            formatter,
            "# `mesh cluster nats-conf` has written this; its --help says how it is used."
        )?;
        let variables = users.iter().filter_map(|user| match &user.login {
            Login::Password { variable } => Some(variable.as_str()),
            Login::Nkey { .. } => None,
        });
        let variables: Vec<&str> = variables.collect();
        if !variables.is_empty() {
            let list = variables.join(", ");
            writeln!(
                formatter,
                "# nats-server needs these environment variables: {list}"
            )?;
        }
        writeln!(formatter, "accounts {{\n  mesh_{cluster} {{\n    users = [")?;
        for User { node, login } in users {
            let login = match login {
                Login::Password { variable } => format!("user: \"{node}\"\n        password: ${variable}"),
                Login::Nkey { public } => format!("# {node}\n        nkey: {public}"),
            };
            let Permissions { publish, subscribe } = subjects.permissions(node);
            writeln!(formatter, "      {{\n        {login}\n        permissions {{")?;
            writeln!(formatter, "          publish {{ allow: {publish:?} }}")?;
            writeln!(formatter, "          subscribe {{ allow: {subscribe:?} }}")?;
            writeln!(formatter, "        }}\n      }}")?;
        }
        writeln!(formatter, "    ]\n  }}\n}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

    fn refused(arguments: &[&str]) -> String {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        match users(&arguments) {
            Ok(_) => panic!("{arguments:?} are right"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_node_has_a_user_with_its_own_subjects() {
        let users = users(&["shop-1".to_owned(), format!("shop-2={KEY}")]).unwrap();
        let cluster = ClusterName::new("shop").unwrap();
        let printed = Configuration { cluster, users }.to_string();
        let expected = format!(
            "# The nodes of the mesh cluster shop. No node can speak as another one.
# `mesh cluster nats-conf` has written this; its --help says how it is used.
# nats-server needs these environment variables: SHOP_1_PASSWORD
accounts {{
  mesh_shop {{
    users = [
      {{
        user: \"shop-1\"
        password: $SHOP_1_PASSWORD
        permissions {{
          publish {{ allow: [\"mesh.shop.beat.shop-1\", \"mesh.shop.in.*.shop-1\", \"mesh.shop.nr.shop-1.>\"] }}
          subscribe {{ allow: [\"mesh.shop.beat.*\", \"mesh.shop.in.shop-1.*\", \"mesh.shop.nr.shop-1.>\"] }}
        }}
      }}
      {{
        # shop-2
        nkey: {KEY}
        permissions {{
          publish {{ allow: [\"mesh.shop.beat.shop-2\", \"mesh.shop.in.*.shop-2\", \"mesh.shop.nr.shop-2.>\"] }}
          subscribe {{ allow: [\"mesh.shop.beat.*\", \"mesh.shop.in.shop-2.*\", \"mesh.shop.nr.shop-2.>\"] }}
        }}
      }}
    ]
  }}
}}
"
        );
        assert_eq!(printed, expected);
    }

    #[test]
    fn a_variable_is_one_that_a_shell_can_set() {
        let variable = |name: &str| variable(&NodeName::new(name).unwrap());
        assert_eq!(variable("shop-1"), "SHOP_1_PASSWORD");
        assert_eq!(variable("1"), "NODE_1_PASSWORD");
    }

    #[test]
    fn nodes_that_could_not_be_told_apart_are_refused() {
        assert_eq!(
            refused(&["a", "b", "a"]),
            "the node a is named twice: name each node once"
        );
        assert_eq!(
            refused(&["shop-1", "Shop_1"]),
            "the nodes shop-1 and Shop_1 would have one password, SHOP_1_PASSWORD: give one of them another name, or nkeys"
        );
        let (one, other) = (format!("a={KEY}"), format!("b={KEY}"));
        assert!(refused(&[&one, &other]).starts_with("the nodes a and b have the same nkey"));
    }

    #[test]
    fn a_seed_is_refused_and_not_repeated() {
        let seed = format!("SU{}", &KEY[..56]);
        let said = refused(&[&format!("a={seed}")]);
        assert!(
            said.starts_with("behind a= is no public half of a user's nkey"),
            "{said}"
        );
        assert!(!said.contains(&seed[2..]), "{said}");
        assert!(refused(&["a.b"]).starts_with("the name of a node has the character '.'"));
    }
}
