"""What a built wheel must do, wherever it was built: its compiled kernels load, and agree with torch.nn."""

import torch

import seqloom

torch.manual_seed(0)
for ours, peer in ((seqloom.RNN, torch.nn.RNN), (seqloom.LSTM, torch.nn.LSTM), (seqloom.GRU, torch.nn.GRU)):
    layer, definition = ours(16, 32, kernel="native"), peer(16, 32)
    layer.load_state_dict(definition.state_dict())
    sequence = torch.randn(20, 4, 16)
    for output, expected in zip(layer(sequence), definition(sequence), strict=True):
        torch.testing.assert_close(output, expected)
print(f"seqloom {seqloom.__version__}: the compiled kernels agree with torch {torch.__version__}")
