"""What services share: settings, object store, registry, jobs, downloads, pictures of tasks."""
