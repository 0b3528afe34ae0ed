//! What connector authors test with, over wiremock.
