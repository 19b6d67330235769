//! Trading terminals, bots and launchpads with a fee wallet of their own.

use super::Service;
use crate::solana::pubkey::Pubkey;

#[rustfmt::skip]
pub(super) const SERVICES: &[Service] = &[
    // Axiom: fee wallets as DefiLlama counts them
    ("axiom", &[
        Pubkey::literal("7LCZckF6XXGQ1hDY6HFXBKWAtiUgL9QY5vj1C4Bn1Qjj"),
        Pubkey::literal("4V65jvcDG9DSQioUVqVPiUcUY9v6sb6HKtMnsxSKEz5S"),
        Pubkey::literal("CeA3sPZfWWToFEBmw5n1Y93tnV66Vmp8LacLzsVprgxZ"),
        Pubkey::literal("AaG6of1gbj1pbDumvbSiTuJhRCRkkUNaWVxijSbWvTJW"),
        Pubkey::literal("7oi1L8U9MRu5zDz5syFahsiLUric47LzvJBQX6r827ws"),
        Pubkey::literal("9kPrgLggBJ69tx1czYAbp7fezuUmL337BsqQTKETUEhP"),
        Pubkey::literal("DKyUs1xXMDy8Z11zNsLnUg3dy9HZf6hYZidB6WodcaGy"),
        Pubkey::literal("4FobGn5ZWYquoJkxMzh2VUAWvV36xMgxQ3M7uG1pGGhd"),
        Pubkey::literal("76sxKrPtgoJHDJvxwFHqb3cAXWfRHFLe3VpKcLCAHSEf"),
        Pubkey::literal("H2cDR3EkJjtTKDQKk8SJS48du9mhsdzQhy8xJx5UMqQK"),
        Pubkey::literal("8m5GkL7nVy95G4YVUbs79z873oVKqg2afgKRmqxsiiRm"),
        Pubkey::literal("4kuG6NsAFJNwqEkac8GFDMMheCGKUPEbaRVHHyFHSwWz"),
        Pubkey::literal("8vFGAKdwpn4hk7kc1cBgfWZzpyW3MEMDATDzVZhddeQb"),
        Pubkey::literal("86Vh4XGLW2b6nvWbRyDs4ScgMXbuvRCHT7WbUT3RFxKG"),
        Pubkey::literal("DZfEurFKFtSbdWZsKSDTqpqsQgvXxmESpvRtXkAdgLwM"),
        Pubkey::literal("5L2QKqDn5ukJSWGyqR4RPvFvwnBabKWqAqMzH4heaQNB"),
        Pubkey::literal("DYVeNgXGLAhZdeLMMYnCw1nPnMxkBN7fJnNpHmizTrrF"),
        Pubkey::literal("Hbj6XdxX6eV4nfbYTseysibp4zZJtVRRPn2J3BhGRuK9"),
        Pubkey::literal("846ah7iBSu9ApuCyEhA5xpnjHHX7d4QJKetWLbwzmJZ8"),
        Pubkey::literal("5BqYhuD4q1YD3DMAYkc1FeTu9vqQVYYdfBAmkZjamyZg"),
    ]),
    // GMGN: fee wallets as DefiLlama counts them
    ("gmgn", &[
        Pubkey::literal("BB5dnY55FXS1e1NXqZDwCzgdYJdMCj3B92PU6Q5Fb6DT"),
        Pubkey::literal("7sHXjs1j7sDJGVSMSPjD1b4v3FD6uRSvRWfhRdfv5BiA"),
        Pubkey::literal("HeZVpHj9jLwTVtMMbzQRf6mLtFPkWNSg11o68qrbUBa3"),
        Pubkey::literal("ByRRgnZenY6W2sddo1VJzX9o4sMU4gPDUkcmgrpGBxRy"),
        Pubkey::literal("DXfkEGoo6WFsdL7x6gLZ7r6Hw2S6HrtrAQVPWYx2A1s9"),
        Pubkey::literal("3t9EKmRiAUcQUYzTZpNojzeGP1KBAVEEbDNmy6wECQpK"),
        Pubkey::literal("DymeoWc5WLNiQBaoLuxrxDnDRvLgGZ1QGsEoCAM7Jsrx"),
        Pubkey::literal("dBhdrmwBkRa66XxBuAK4WZeZnsZ6bHeHCCLXa3a8bTJ"),
        Pubkey::literal("6TxjC5wJzuuZgTtnTMipwwULEbMPx5JPW3QwWkdTGnrn"),
    ]),
    // Photon
    ("photon", &[
        Pubkey::literal("AVUCZyuT35YSuj4RH7fwiyPu82Djn2Hfg7y2ND2XcnZH"),
    ]),
    // BullX
    ("bullx", &[
        Pubkey::literal("9RYJ3qr5eU5xAooqVcbmdeusjcViL5Nkiq7Gske3tiKq"),
        Pubkey::literal("F4hJ3Ee3c5UuaorKAMfELBjYCjiiLH75haZTKqTywRP3"),
    ]),
    // Trojan
    ("trojan", &[
        Pubkey::literal("9yMwSPk9mrXSN7yDHUuZurAh1sjbJsfpUqjZ7SvVtdco"),
        Pubkey::literal("92Med3qeK7duC5iiYsHX38H2f2twJfRsSx93oNrza2VH"),
        Pubkey::literal("2jwHNxavSoMZMEDbT1eV9PcPt5dDcayCqM6MkgaPpmWQ"),
        Pubkey::literal("65gDv7pZQCZELsNpNYSFEBtNFpWZAbxmRFB6BGMqFkHH"),
        Pubkey::literal("BWgb8wR1FEGiu1jCDSKuHKf752W27b4iN6SvoNCiK4qp"),
        Pubkey::literal("8jgg7moFJkHyTtAv9M6RBSPMp2oXeXhuiUMKW8YbYCWn"),
    ]),
    // BonkBot
    ("bonkbot", &[
        Pubkey::literal("ZG98FUCjb8mJ824Gbs6RsgVmr1FhXb2oNiJHa2dwmPd"),
    ]),
    // Maestro
    ("maestro", &[
        Pubkey::literal("MaestroUL88UBnZr3wfoN7hqmNWFi3ZYCGqZoJJHE36"),
        Pubkey::literal("FRMxAnZgkW58zbYcE7Bxqsg99VWpJh6sMP5xLzAWNabN"),
    ]),
    // Banana Gun: fee receivers as Dune counts them
    ("banana_gun", &[
        Pubkey::literal("8r2hZoDfk5hDWJ1sDujAi2Qr45ZyZw5EQxAXiMZWLKh2"),
        Pubkey::literal("Cj297UauzMX64FU9dKJZRUBWszJ7tEWpVheasq4CfATV"),
        Pubkey::literal("HKMh8nV3ysSofRi23LsfVGLGQKB415QAEfZT96kCcVj4"),
        Pubkey::literal("7tQiiBdKoScWQkB1RmVuML7DBGnR31cuKPEtMM7Vy5SA"),
        Pubkey::literal("4BBNEVRgrxVKv9f7pMNE788XM1tt379X9vNjpDH2KCL7"),
        Pubkey::literal("47hEzz83VFR23rLTEeVm9A7eFzjJwjvdupPPmX3cePqF"),
        Pubkey::literal("EMbqD9Y9jLXEa3RbCR8AsEW1kVa3EiJgDLVgvKh4qNFP"),
        Pubkey::literal("Lk693UiTzQC4vobasRS1QGcYA9D6RGYLjHp1bWreQtM"),
    ]),
    // Bloom
    ("bloom", &[
        Pubkey::literal("7HeD6sLLqAnKVRuSfc1Ko3BSPMNKWgGTiWLKXJF31vKM"),
    ]),
    // Padre
    ("padre", &[
        Pubkey::literal("J5XGHmzrRmnYWbmw45DbYkdZAU2bwERFZ11qCDXPvFB5"),
    ]),
    // Nova
    ("nova", &[
        Pubkey::literal("noVaE91mUL5jTb8e9Vf6dqJdNPzJpEQ3uAdnQ8h4nVz"),
        Pubkey::literal("noVakKQGTTjpHARvecAUbVnc85AatCLm3ijDFk8JXZB"),
    ]),
    // TradeWiz
    ("tradewiz", &[
        Pubkey::literal("97VmzkjX9w8gMFS2RnHTSjtMEDbifGXBq9pgosFdFnM"),
    ]),
    // PepeBoost
    ("pepeboost", &[
        Pubkey::literal("G9PhF9C9H83mAjjkdJz4MDqkufiTPMJkx7TnKE1kFyCp"),
    ]),
    // Phantom swaps
    ("phantom", &[
        Pubkey::literal("25mYnjJ2MXHZH6NvTTdA63JvjgRVcuiaj6MRiEQNs1Dq"),
        Pubkey::literal("9yj3zvLS3fDMqi1F8zhkaWfq8TZpZWHe6cz1Sgt7djXf"),
        Pubkey::literal("8psNvWTrdNTiVRNzAgsou9kETXNJm2SXZyaKuJraVRtf"),
        Pubkey::literal("CnmA6Zb8hLrG33AT4RTzKdGv1vKwRBKQQr8iNckvv8Yg"),
        Pubkey::literal("2rQZb9xqQGwoCMDkpabbzDB9wyPTjSPj9WNhJodTaRHm"),
        Pubkey::literal("9gnLg6NtVxaASvxtADLFKZ9s8yHft1jXb1Vu6gVKvh1J"),
        Pubkey::literal("wtpXRqKLdGc7vpReogsRugv6EFCw4HBHcxm8pFcR84a"),
        Pubkey::literal("D1NJy3Qq3RKBG29EDRj28ozbGwnhmM5yBUp8PonSYUnm"),
    ]),
    // Jupiter partner referral fees
    ("jupiter_referral", &[
        Pubkey::literal("45ruCyfdRkWpRNGEqWzjCiXRHkZs8WXCLQ67Pnpye7Hp"),
    ]),
    // pump.fun: pump-public-docs, FEE_RECIPIENTS
    ("pumpfun", &[
        Pubkey::literal("62qc2CNXwrYqQScmEdiZFFAnJR262PxWEuNQtxfafNgV"),
        Pubkey::literal("7VtfL8fvgNfhz17qKRMjzQEXgbdpnHHHQRh54R9jP2RJ"),
        Pubkey::literal("7hTckgnGnLQR6sdH7YkqFTAA7VwTfYFaZ6EhEsU3saCX"),
        Pubkey::literal("9rPYyANsfQZw3DnDmKE3YCQF5E8oD89UXoHn9JFEhJUz"),
        Pubkey::literal("AVmoTthdrX6tKt4nDjco2D775W2YK3sDhxPcMmzUAmTY"),
        Pubkey::literal("CebN5WGQ4jvEPvsVU4EoHEpgzq1VV7AbicfhtW4xC9iM"),
        Pubkey::literal("FWsW1xNtWscwNmKv6wVsU1iTzRN6wmmk3MjxRP5tT7hz"),
        Pubkey::literal("G5UZAVbAf46s7cKWoyKu8kYTip9DGTpbLZ2qa9Aq69dP"),
        Pubkey::literal("JCRGumoE9Qi5BBgULTgdgTLjSgkCMSbF62ZZfGs84JeU"),
        Pubkey::literal("GesfTA3X2arioaHp8bbKdjG9vJtskViWACZoYvxp4twS"),
    ]),
];
