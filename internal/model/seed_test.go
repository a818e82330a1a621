package model_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unmask-eval/unmask/internal/model"
)

func TestPortableSeedKeepsWhatIsPortable(t *testing.T) {
	for _, seed := range []int64{0, 1, 42, math.MaxInt32} {
		require.Equal(t, seed, model.PortableSeed(seed))
	}
}

func TestPortableSeedFoldsTheRestIntoRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Int64().Draw(t, "seed")
		folded := model.PortableSeed(seed)
		if folded < 0 || folded > math.MaxInt32 {
			t.Fatalf("%d is out of range", folded)
		}
		if model.PortableSeed(folded) != folded {
			t.Fatal("folding twice changes the seed")
		}
	})
}

func TestPortableSeedTellsSeedsApart(t *testing.T) {
	seen := map[int64]bool{}
	for i := range int64(1000) {
		seen[model.PortableSeed(-1-i)] = true
		seen[model.PortableSeed((i+1)<<33)] = true
	}
	require.Greater(t, len(seen), 1990)
}
