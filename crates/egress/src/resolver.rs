//! Name resolution that hands an answer to the HTTP client only after every address in it was vetted.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::Guard;

/// The system's resolver behind the guard. The client connects to exactly the addresses that were vetted,
/// so a name that changes its answer between two look-ups gains nothing.
pub(crate) struct VettingResolver {
    guard: Arc<Guard>,
}

impl VettingResolver {
    pub(crate) fn new(guard: Arc<Guard>) -> Self {
        Self { guard }
    }
}

impl Resolve for VettingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = Arc::clone(&self.guard);
        Box::pin(async move {
            // Port 0 stands for the URL's own, says the trait.
            let answer: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            vetted(&guard, answer)
        })
    }
}

fn vetted(guard: &Guard, answer: Vec<SocketAddr>) -> Result<Addrs, Box<dyn Error + Send + Sync>> {
    if answer.is_empty() {
        return Err("the name has no address".into());
    }
    let addresses: Vec<IpAddr> = answer.iter().map(SocketAddr::ip).collect();
    guard.vet_answer(&addresses)?;
    Ok(Box::new(answer.into_iter()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Refusal;

    #[test]
    fn one_forbidden_address_refuses_the_answer() {
        let guard = Guard::default();
        let public: SocketAddr = "8.8.8.8:0".parse().expect("literal");
        let private: SocketAddr = "10.0.0.7:0".parse().expect("literal");
        assert!(vetted(&guard, vec![public]).is_ok());
        for answer in [vec![private], vec![public, private], vec![private, public]] {
            let error = vetted(&guard, answer).err().expect("refused");
            let refusal = error.downcast_ref::<Refusal>().expect("the guard's own words");
            assert_eq!(refusal.code(), "private");
        }
        assert!(vetted(&guard, Vec::new()).is_err());
    }
}
