"""A deterministic discrete-event simulator of plugin-enabled QUIC."""
