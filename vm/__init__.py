"""An eBPF virtual machine: loads ELF objects and runs them with every access checked."""
