# A zone as `twistd dns --pyzone` reads it.
zone = [
    SOA(  # noqa: F821
        "example.com",
        mname="primary.example.com",
        rname="root.example.com",
        serial=2027010101,
        refresh="5S",
        retry="2S",
        expire="1H",
        minimum="1S",
        ttl="5S",
    ),
    NS("example.com", "primary.example.com"),  # noqa: F821
    A("www.example.com", "192.0.2.80"),  # noqa: F821
    A("mail.example.com", "192.0.2.25"),  # noqa: F821
    MX("example.com", 10, "mail.example.com"),  # noqa: F821
]
