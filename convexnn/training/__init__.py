"""From samples and a penalty to a network: trainers, paths, certificates of others."""
