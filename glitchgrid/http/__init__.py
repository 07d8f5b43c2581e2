"""What both HTTP faces share: the limits of the parser, requests, sending, errors as answers, start and stop."""
