package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/wire"
)

func TestStop(t *testing.T) {
	req := model.Request{Sampling: model.Sampling{Stop: []string{"b", "c"}}}
	endpoint := append(make([]string, 0, 8), "a", "b")
	require.Equal(t, []string{"a", "b", "c"}, wire.Stop(endpoint, req))
	other := model.Request{Sampling: model.Sampling{Stop: []string{"d"}}}
	first, second := wire.Stop(endpoint, req), wire.Stop(endpoint, other)
	require.Equal(t, []string{"a", "b", "c"}, first, "requests share nothing")
	require.Equal(t, []string{"a", "b", "d"}, second)
	require.Empty(t, wire.Stop(nil, model.Request{}))
}
