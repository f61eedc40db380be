"""Numerical kernels: pure TensorFlow functions with gradients of their own."""
