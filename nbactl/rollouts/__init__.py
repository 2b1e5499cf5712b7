"""Staged rollouts of flags: stages that bake, guards that watch them, and a tick that moves them."""
