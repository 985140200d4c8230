"""Label Studio's protocol as pure functions: what is asked, and in which form the answer appears."""
