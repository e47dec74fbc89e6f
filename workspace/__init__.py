"""What people did and made: the audit, notebooks, drafts and snapshots. The dashboard alone writes it."""
