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
		Timeout: 5 * time.Second, MaxAttempts: 4, ResponseFormat: "json_schema", InputPrice: &free, OutputPrice: &dear,
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
		{"an unknown role", "server:\n  role: worker,api\n", nil, []string{"server.role"}},
		{"an API whose runs nobody could carry out", "", []string{"UNMASK_SERVER_ROLE=api"}, []string{"server.role"}},
		{"an address beyond loopback", "server:\n  http_addr: 0.0.0.0:80\n", nil, []string{"server.http_addr"}},
		{"a model without anything", "models:\n- name: sim/x\n", nil, []string{"models[0].name", "models[0].base_url", "models[0].model_id"}},
		{"a credential in a URL", "models:\n- {name: a, base_url: 'http://u:p@h/v1', model_id: m}\n", nil, []string{"models[0].base_url"}},
		{"prices that are none", "models:\n- {name: a, base_url: 'http://h/v1', model_id: m, input_price: -1, output_price: .nan}\n", nil, []string{"models[0].input_price", "models[0].output_price"}},
		{"a response format of another kind", "models:\n- {name: a, base_url: 'http://h/v1', model_id: m, response_format: xml}\n", nil, []string{"models[0].response_format"}},
		{"a grader without anything", "graders:\n- {}\n", nil, []string{"graders[0].id", "graders[0].kind"}},
		{"a grader by the name of the built-in one", "graders:\n- {id: rubric, kind: judge, model: sim/judge}\n", nil, []string{"graders[0].id"}},
		{"two graders of one name", "graders:\n- {id: a, kind: judge, model: sim/judge}\n- {id: a, kind: judge, model: sim/judge}\n", nil, []string{"graders[1].id"}},
		{"a judge with bad numbers", "graders:\n- {id: a, kind: judge, votes: 51, quorum: 99, attempts: 11, threshold: 1.5, temperature: 3, max_tokens: -1, max_text_bytes: 5, concurrency: -1, cache_entries: 2000000}\n", nil, []string{
			"graders[0].model", "graders[0].votes", "graders[0].quorum", "graders[0].attempts", "graders[0].threshold", "graders[0].temperature",
			"graders[0].max_tokens", "graders[0].max_text_bytes", "graders[0].concurrency", "graders[0].cache_entries",
		}},
		{"a judge of an unknown model", "graders:\n- {id: a, kind: judge, model: gpt}\n", nil, []string{"graders[0].model"}},
		{"votes without chance", "graders:\n- {id: a, kind: judge, model: sim/judge, temperature: 0}\n", nil, []string{"graders[0].temperature"}},
		{"a panel's settings on a judge", "graders:\n- {id: a, kind: judge, model: sim/judge, members: [rubric], rule: majority, grey_low: 0.1, grey_high: 0.2}\n", nil, []string{"graders[0].grey_high", "graders[0].grey_low", "graders[0].members", "graders[0].rule"}},
		{"a judge's settings on a panel", "graders:\n- {id: a, kind: panel, members: [rubric, rubric], model: m, votes: 1, partial: true}\n", nil, []string{"graders[0].model", "graders[0].partial", "graders[0].votes", "graders[0].members[1]"}},
		{"a panel of a panel and of nothing", "graders:\n- {id: a, kind: panel, members: [rubric, a, none], rule: vote, quorum: 4, grey_low: 0.9, grey_high: 0.1}\n", nil, []string{"graders[0].rule", "graders[0].members[1]", "graders[0].members[2]", "graders[0].quorum", "graders[0].grey_low", "graders[0].grey_low"}},
		{"escalation among three", "graders:\n- {id: j, kind: judge, model: sim/judge}\n- {id: k, kind: judge, model: sim/judge}\n- {id: a, kind: panel, rule: escalation, quorum: 1, members: [rubric, j, k]}\n", nil, []string{"graders[2].members", "graders[2].quorum"}},
		{"an unknown setting of a grader", "graders:\n- {id: a, kind: judge, model: sim/judge, vote: 3}\n", nil, []string{"graders[0].vote"}},
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

func TestGradersComeFromTheFile(t *testing.T) {
	path := writeFile(t, `
models:
- {name: local, base_url: http://127.0.0.1:8000/v1, model_id: m, response_format: none}
graders:
- {id: judge, kind: judge, model: local, votes: 20, threshold: 0.4, temperature: 0.7, partial: true}
- {id: panel, kind: panel, members: [rubric, judge], rule: escalation, grey_low: 0.2}
`)
	cfg, err := config.Load(config.Source{File: path})
	require.NoError(t, err)
	temperature, low := 0.7, 0.2
	require.Equal(t, []config.Grader{
		{ID: "judge", Kind: "judge", Model: "local", Votes: 20, Threshold: 0.4, Temperature: &temperature, Partial: true},
		{ID: "panel", Kind: "panel", Members: []string{"rubric", "judge"}, Rule: "escalation", GreyLow: &low},
	}, cfg.Graders)
}

func TestAMissingFileIsNamed(t *testing.T) {
	_, err := config.Load(config.Source{File: "/nowhere/unmask.yaml"})
	require.ErrorContains(t, err, "/nowhere/unmask.yaml")
}
