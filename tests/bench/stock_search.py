"""The shortest search that people write with transformers and FAISS: checkpoint, index file and text are given."""

import sys

import faiss
import torch
from transformers import AutoTokenizer, ClapModel

checkpoint, vectors, text = sys.argv[1:]
model, tokenizer = ClapModel.from_pretrained(checkpoint), AutoTokenizer.from_pretrained(checkpoint)
with torch.inference_mode():
    features = model.get_text_features(**tokenizer([text], return_tensors="pt")).pooler_output
query = torch.nn.functional.normalize(features, dim=-1).numpy()
for score, row in zip(*(found[0] for found in faiss.read_index(vectors).search(query, 10)), strict=True):
    print(f"{score:.3f}  {row}")
