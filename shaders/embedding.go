package shaders

// EmbeddingArgs describe the input of a text encoder.
type EmbeddingArgs struct {
	Tokens   Tensor // [N, 1, L, 1] of U32; an id of V or more reads the last row
	Table    Tensor // [1, 1, V, D]
	Position Tensor // [1, 1, L, D]
	Y        Tensor // [N, 1, L, D]
}

type embeddingParams struct{ L, V, D4, Count uint32 }

var embedding = kernel("embedding", embeddingTwin)

// Embedding is embedding.wgsl.
func Embedding(a EmbeddingArgs) Dispatch {
	y := a.Y
	mustBe("embedding", "tokens", a.Tokens, y.N, 1, y.W, 1)
	mustBe("embedding", "table", a.Table, 1, 1, a.Table.W, y.C)
	mustBe("embedding", "position", a.Position, 1, 1, y.W, y.C)
	mustBe("embedding", "y", y, y.N, 1, a.Tokens.W, a.Table.C)
	count := y.Size() / 16
	return Dispatch{
		Kernel:   embedding,
		Params:   encode(embeddingParams{uint32(y.W), uint32(a.Table.W), uint32(y.Stride() / 4), uint32(count)}),
		Bindings: []View{view(a.Tokens), view(a.Table), view(a.Position), view(y)},
		Groups:   spread(ceil(count, 64)),
	}
}

func embeddingTwin(_ Constants, params []byte, mem [][]byte) {
	p := decode[embeddingParams](params)
	tokens, table, position, y := u32s(mem[0]), f32s(mem[1]), f32s(mem[2]), f32s(mem[3])
	stride := 4 * int(p.D4)
	for row := range int(p.Count / p.D4) {
		id := int(min(tokens[4*row], p.V-1))
		for d := range stride {
			y[row*stride+d] = table[id*stride+d] + position[row%int(p.L)*stride+d]
		}
	}
}
