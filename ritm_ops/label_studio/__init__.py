"""What Label Studio stores, read in one way by the backend and by the exports."""
