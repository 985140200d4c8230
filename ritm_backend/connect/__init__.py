"""`ritm connect`: bring a project of Label Studio and this backend together."""
