package app

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/config"
)

// Digests of graders have the identity, so plain endpoints keep theirs, and what
// changes the question changes it.
func TestEndpointIdentity(t *testing.T) {
	plain := config.Model{Name: "n", Provider: config.ProviderOpenAI, BaseURL: "http://h/v1", ModelID: "m"}
	require.Equal(t, "openai-compatible http://h/v1 m", endpointIdentity(plain))
	same, other := plain, plain
	same.Stream, same.FirstByteTimeout, same.Name = true, time.Second, "another"
	require.Equal(t, endpointIdentity(plain), endpointIdentity(same))
	other.ReasoningEffort = "high"
	require.Equal(t, `openai-compatible http://h/v1 m {"reasoning_effort":"high"}`, endpointIdentity(other))
	base := config.Model{Provider: config.ProviderCompletion, BaseURL: "http://h", ModelID: "m", ProviderSettings: config.ProviderSettings{
		CustomTemplate: &config.ChatTemplate{User: "{content}"},
	}}
	changed := base
	changed.CustomTemplate = &config.ChatTemplate{User: "Q: {content}"}
	require.NotEqual(t, endpointIdentity(base), endpointIdentity(changed))
}
