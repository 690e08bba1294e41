"""What is learned from: losses of annotation, calibration, optimizers."""
