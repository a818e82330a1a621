package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/config"
)

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "unmask.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestLaterSourcesOverrideEarlierOnes(t *testing.T) {
	path := writeFile(t, "server:\n  grpc_addr: 127.0.0.1:1001\n  http_addr: 127.0.0.1:1002\n  ops_addr: 127.0.0.1:1003\n")
	cfg, err := config.Load(config.Source{
		File:    path,
		Environ: []string{"UNMASK_SERVER_HTTP_ADDR=127.0.0.1:2002", "UNMASK_SERVER_OPS_ADDR=127.0.0.1:2003", "HOME=/x", "UNMASK_CONFIG=ignored"},
		Flags:   map[string]any{"server.ops_addr": "127.0.0.1:3003"},
	})
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:1001", cfg.Server.GRPCAddr, "from the file")
	require.Equal(t, "127.0.0.1:2002", cfg.Server.HTTPAddr, "from the environment")
	require.Equal(t, "127.0.0.1:3003", cfg.Server.OpsAddr, "from a flag")
	require.Equal(t, 30*time.Second, cfg.Server.DrainTimeout, "the default")
}

func TestDefaultsAreValidAndStayOnLoopback(t *testing.T) {
	cfg, err := config.Load(config.Source{})
	require.NoError(t, err)
	require.Equal(t, config.Default(), cfg)
}

func TestModelsComeFromTheFileWithDefaults(t *testing.T) {
	path := writeFile(t, "models:\n- name: local\n  base_url: http://127.0.0.1:8000/v1\n  model_id: some/model\n  timeout: 5s\n  input_price: 0\n  output_price: 2.5\n")
	cfg, err := config.Load(config.Source{File: path})
	require.NoError(t, err)
	free, dear := 0.0, 2.5
	require.Equal(t, []config.Model{{
		Name: "local", Provider: "openai-compatible", BaseURL: "http://127.0.0.1:8000/v1", ModelID: "some/model",
		Timeout: 5 * time.Second, MaxAttempts: 4, InputPrice: &free, OutputPrice: &dear,
	}}, cfg.Models)
}

func TestBadSettingsAreAllNamed(t *testing.T) {
	for _, tt := range []struct {
		name string
		file string
		env  []string
		keys []string
	}{
		{"unknown key in the file", "server:\n  grpc_adr: x\n", nil, []string{"server.grpc_adr"}},
		{"unknown section in the file", "servers: {}\nstore:\n  pth: x\n", nil, []string{"servers", "store.pth"}},
		{"unknown key in the environment", "", []string{"UNMASK_SERVER_GRPC_ADR=x"}, []string{"server.grpc_adr"}},
		{"several bad values", "log:\n  level: loud\n  format: xml\nruns:\n  max_in_progress: 0\n", nil, []string{"runs.max_in_progress", "log.level", "log.format"}},
		{"an address beyond loopback", "server:\n  http_addr: 0.0.0.0:80\n", nil, []string{"server.http_addr"}},
		{"a model without anything", "models:\n- name: sim/x\n", nil, []string{"models[0].name", "models[0].base_url", "models[0].model_id"}},
		{"a credential in a URL", "models:\n- {name: a, base_url: 'http://u:p@h/v1', model_id: m}\n", nil, []string{"models[0].base_url"}},
		{"prices that are none", "models:\n- {name: a, base_url: 'http://h/v1', model_id: m, input_price: -1, output_price: .nan}\n", nil, []string{"models[0].input_price", "models[0].output_price"}},
		{"a value of the wrong type", "server:\n  drain_timeout: soon\n", nil, []string{"server.drain_timeout"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Load(config.Source{File: writeFile(t, tt.file), Environ: tt.env})
			var ce *config.Error
			require.True(t, errors.As(err, &ce), "%v", err)
			var keys []string
			for _, p := range ce.Problems {
				keys = append(keys, p.Key)
			}
			require.Equal(t, tt.keys, keys)
			require.NotContains(t, err.Error(), "u:p@")
		})
	}
}

func TestAMissingFileIsNamed(t *testing.T) {
	_, err := config.Load(config.Source{File: "/nowhere/unmask.yaml"})
	require.ErrorContains(t, err, "/nowhere/unmask.yaml")
}
