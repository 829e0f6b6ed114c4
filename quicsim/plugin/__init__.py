"""How does a plugin reach a connection, and what may it do there? Paper section 2; joins the VM and the operations."""
