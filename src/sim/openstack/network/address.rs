//! Addresses: blocks, pools, and which address is free. IPv4 and IPv6 are both numbers of 128 bits here.

use std::net::IpAddr;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Block {
    v4: bool,
    base: u128,
    bits: u32,
}

impl Block {
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let length: u32 = length.parse().ok()?;
        let width: u32 = if address.is_ipv4() { 32 } else { 128 };
        let bits = width.checked_sub(length)?;
        let base = if bits == 128 { 0 } else { number(address) >> bits << bits };
        Some(Block { v4: address.is_ipv4(), base, bits })
    }

    pub fn version(&self) -> u64 {
        if self.v4 { 4 } else { 6 }
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.v4 && (self.base..=self.top()).contains(&number(address))
    }

    pub fn overlaps(&self, other: &Block) -> bool {
        self.v4 == other.v4 && self.base <= other.top() && other.base <= self.top()
    }

    /// The first address after the network's own, where the gateway is by custom.
    pub fn first(&self) -> IpAddr {
        address(self.v4, if self.bits < 2 { self.base } else { self.base + 1 })
    }

    /// The last one that a host may have.
    pub fn last(&self) -> IpAddr {
        let top = self.top();
        address(self.v4, if self.v4 && self.bits >= 2 { top - 1 } else { top })
    }

    fn top(&self) -> u128 {
        if self.bits == 128 { u128::MAX } else { self.base + ((1 << self.bits) - 1) }
    }
}

impl std::fmt::Display for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = if self.v4 { 32 } else { 128 };
        write!(f, "{}/{}", address(self.v4, self.base), width - self.bits)
    }
}

/// The whole block but the gateway, as start and end pairs.
pub(super) fn pools(block: &Block, gateway: Option<IpAddr>) -> Vec<(IpAddr, IpAddr)> {
    let (first, last) = (number(block.first()), number(block.last()));
    let pair = |from: u128, to: u128| (from <= to).then(|| (address(block.v4, from), address(block.v4, to)));
    match gateway.map(number).filter(|gateway| (first..=last).contains(gateway)) {
        None => pair(first, last).into_iter().collect(),
        Some(gateway) => {
            let below = gateway.checked_sub(1).and_then(|to| pair(first, to));
            let above = gateway.checked_add(1).and_then(|from| pair(from, last));
            below.into_iter().chain(above).collect()
        }
    }
}

/// The lowest address of the pools that is not in use.
pub(super) fn free(pools: &[(IpAddr, IpAddr)], used: &[IpAddr]) -> Option<IpAddr> {
    let used: std::collections::HashSet<IpAddr> = used.iter().copied().collect();
    pools.iter().find_map(|(from, to)| {
        // One more try than there are used addresses finds a free one, if there is any.
        let tries = (number(*to) - number(*from)).min(used.len() as u128);
        (0..=tries).map(|step| address(from.is_ipv4(), number(*from) + step)).find(|address| !used.contains(address))
    })
}

pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn address(v4: bool, number: u128) -> IpAddr {
    if v4 { IpAddr::V4((number as u32).into()) } else { IpAddr::V6(number.into()) }
}
