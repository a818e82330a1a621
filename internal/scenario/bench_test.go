package scenario

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkNewLibrary(b *testing.B) {
	for b.Loop() {
		_, err := NewLibrary()
		require.NoError(b, err)
	}
}

func BenchmarkLoad(b *testing.B) {
	document, err := helpfulOnly(b).YAML()
	require.NoError(b, err)
	b.SetBytes(int64(len(document)))
	for b.Loop() {
		_, err := Load("f.yaml", document)
		require.NoError(b, err)
	}
}

func BenchmarkRender(b *testing.B) {
	s := helpfulOnly(b)
	last := s.Queries[len(s.Queries)-1].ID
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.Render("paid", last)
		require.NoError(b, err)
	}
}

func BenchmarkHostile(b *testing.B) {
	for _, h := range hostile {
		b.Run(h.name, func(b *testing.B) {
			document := []byte(h.document)
			b.ReportAllocs()
			for b.Loop() {
				_, err := Load("f.yaml", document)
				require.Error(b, err)
			}
		})
	}
}
