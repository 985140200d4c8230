"""What runs the network: torch, `torch.compile`, OpenVINO, batches of clicks, and ONNX for other programs."""
