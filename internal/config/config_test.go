package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
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
		Name: "local", Provider: "openai", BaseURL: "http://127.0.0.1:8000/v1", ModelID: "some/model",
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
		{"a database of another kind", "database:\n  url: mysql://u:p@h/d\n  max_connections: 1\n", nil, []string{"database.url", "database.max_connections"}},
		{"a database without a path", "", []string{"UNMASK_DATABASE_URL=sqlite:"}, []string{"database.url"}},
		{"a credential in a URL", "models:\n- {name: a, base_url: 'http://u:p@h/v1', model_id: m}\n", nil, []string{"models[0].base_url"}},
		{"prices that are none", "models:\n- {name: a, base_url: 'http://h/v1', model_id: m, input_price: -1, output_price: .nan}\n", nil, []string{"models[0].input_price", "models[0].output_price"}},
		{"limits that are none", "models:\n- {name: a, base_url: 'http://h/v1', model_id: m, max_concurrency: 5000, requests_per_minute: -1, tokens_per_minute: 2000000000, max_wait: 1ms, connect_timeout: -1s, first_byte_timeout: 3m}\n", nil, []string{
			"models[0].connect_timeout", "models[0].first_byte_timeout", "models[0].max_concurrency", "models[0].requests_per_minute", "models[0].tokens_per_minute", "models[0].max_wait",
		}},
		{"a replay of nothing", "models:\n- {name: a, provider: replay, base_url: 'http://h/v1', api_key_env: K, max_wait: 1m}\n", nil, []string{
			"models[0].file", "models[0].base_url", "models[0].api_key_env", "models[0].max_wait",
		}},
		{"a recording at an endpoint", "models:\n- {name: a, base_url: 'http://h/v1', model_id: m, file: x}\n", nil, []string{"models[0].file"}},
		{"a response format of another kind", "models:\n- {name: a, base_url: 'http://h/v1', model_id: m, response_format: xml}\n", nil, []string{"models[0].response_format"}},
		{"a provider that nobody knows", "models:\n- {name: a, provider: acme, base_url: 'http://h/v1', model_id: m, thinking: adaptive}\n", nil, []string{"models[0].provider"}},
		{"hosted providers need no URL, and others do", "models:\n- {name: a, provider: anthropic, model_id: m}\n- {name: b, provider: gemini, model_id: m}\n- {name: c, provider: openai-responses, model_id: m}\n- {name: d, provider: completion, chat_template: chatml, model_id: m}\n", nil, []string{"models[3].base_url"}},
		{"settings of other providers on openai", "models:\n- {name: a, base_url: 'http://h/v1', model_id: m, thinking: adaptive, thinking_budget: 2048, reasoning_summary: auto, safety_settings: {all: off}, completion_api: completions, chat_template: chatml, custom_template: {user: x}}\n", nil, []string{
			"models[0].reasoning_summary", "models[0].thinking", "models[0].thinking_budget", "models[0].safety_settings", "models[0].completion_api", "models[0].chat_template", "models[0].custom_template",
		}},
		{"settings of openai on others", "models:\n- {name: a, provider: gemini, model_id: m, max_completion_tokens: true, prefill: continue, reasoning_kind: full}\n", nil, []string{"models[0].max_completion_tokens", "models[0].prefill", "models[0].reasoning_kind"}},
		{"a seed where there is none", "models:\n- {name: a, provider: anthropic, model_id: m, send_seed: true}\n- {name: b, provider: openai-responses, model_id: m, send_seed: true, stop: [x]}\n- {name: c, provider: anthropic, model_id: m, send_seed: false}\n", nil, []string{"models[0].send_seed", "models[1].stop", "models[1].send_seed"}},
		{"odd values", "models:\n- {name: a, base_url: 'http://h/v1', model_id: m, prefill: maybe, reasoning_effort: huge, reasoning_kind: half, stop: ['']}\n", nil, []string{"models[0].prefill", "models[0].reasoning_effort", "models[0].reasoning_kind", "models[0].stop[0]"}},
		{"odd values of anthropic", "models:\n- {name: a, provider: anthropic, model_id: m, thinking: deep, thinking_budget: 100, response_format: json_object}\n", nil, []string{"models[0].thinking", "models[0].thinking_budget", "models[0].thinking_budget", "models[0].response_format"}},
		{"efforts of other providers", "models:\n- {name: a, provider: gemini, model_id: m, reasoning_effort: max}\n- {name: b, provider: anthropic, model_id: m, reasoning_effort: none}\n- {name: c, provider: openai-responses, model_id: m, reasoning_effort: max}\n- {name: d, provider: completion, base_url: 'http://h', chat_template: alpaca, model_id: m, reasoning_effort: low}\n", nil, []string{
			"models[0].reasoning_effort", "models[1].reasoning_effort", "models[2].reasoning_effort", "models[3].reasoning_effort",
		}},
		{"odd values of gemini", "models:\n- {name: a, provider: gemini, model_id: m, thinking_budget: -2, reasoning_effort: low, reasoning_summary: concise, stop: [a, b, c, d, e, f], safety_settings: {all: 'off', harassment: never, jokes: 'off'}}\n", nil, []string{"models[0].reasoning_summary", "models[0].thinking_budget", "models[0].thinking_budget", "models[0].safety_settings.harassment", "models[0].safety_settings", "models[0].stop"}},
		{"a base model without a template, and with two", "models:\n- {name: a, provider: completion, base_url: 'http://h', model_id: m, response_format: json_object}\n- {name: b, provider: completion, base_url: 'http://h', model_id: m, chat_template: chatml, custom_template: {user: x}}\n- {name: c, provider: completion, base_url: 'http://h', model_id: m, chat_template: gpt2, completion_api: tgi}\n", nil, []string{
			"models[0].chat_template", "models[0].response_format", "models[1].chat_template", "models[2].completion_api", "models[2].chat_template",
		}},
		{"a first byte later than the last", "models:\n- {name: a, base_url: 'http://h/v1', model_id: m, stream: true, timeout: 1s, first_byte_timeout: 2s}\n", nil, []string{"models[0].first_byte_timeout"}},
		{"a part of a template that there is not", "models:\n- {name: a, provider: completion, base_url: 'http://h', model_id: m, custom_template: {user: '{content}', answer: x}}\n", nil, []string{"models[0].custom_template.answer"}},
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
		{"a bad replica", "server: {replica: 'a b'}\n", nil, []string{"server.replica"}},
		{"a long replica", "server: {replica: " + strings.Repeat("a", 64) + "}\n", nil, []string{"server.replica"}},
		{"retention of less than an hour", "retention: {transcripts: 5s, runs: -1h}\n", nil, []string{"retention.transcripts", "retention.runs"}},
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

func TestSettingsOfProvidersComeFromTheFile(t *testing.T) {
	path := writeFile(t, `
models:
- {name: old, provider: openai-compatible, base_url: http://127.0.0.1:8000/v1, model_id: m, send_seed: false, prefill: continue}
- {name: claude, provider: anthropic, model_id: m, thinking_budget: 2048, stream: true, first_byte_timeout: 3s, stop: [END]}
- name: base
  provider: completion
  base_url: http://127.0.0.1:8000
  model_id: m
  completion_api: llama.cpp
  custom_template:
    user: "Q: {content}\n"
    reply: "A:"
`)
	cfg, err := config.Load(config.Source{File: path})
	require.NoError(t, err)
	no, budget := false, 2048
	require.Equal(t, config.ProviderOpenAI, cfg.Models[0].Provider, "the first name of the provider means it")
	require.Equal(t, config.ProviderSettings{SendSeed: &no, Prefill: "continue"}, cfg.Models[0].ProviderSettings)
	require.Equal(t, config.ProviderSettings{ThinkingBudget: &budget, Stream: true, Stop: []string{"END"}}, cfg.Models[1].ProviderSettings)
	require.Equal(t, 3*time.Second, cfg.Models[1].FirstByteTimeout)
	require.Equal(t, config.ProviderSettings{CompletionAPI: "llama.cpp", CustomTemplate: &config.ChatTemplate{User: "Q: {content}\n", Reply: "A:"}}, cfg.Models[2].ProviderSettings)
}

func TestTheURLChoosesTheStore(t *testing.T) {
	for _, tt := range []struct {
		url, path string
		postgres  bool
	}{
		{"", "/data/file.db", false},
		{"sqlite:/other/file.db", "/other/file.db", false},
		{"sqlite:relative.db", "relative.db", false},
		{"/plain/path.db", "/plain/path.db", false},
		{"postgres://u@h/d", "", true},
		{"postgresql://u:p@h:1/d?sslmode=disable", "", true},
	} {
		cfg, err := config.Load(config.Source{Environ: []string{"UNMASK_STORE_PATH=/data/file.db", "UNMASK_DATABASE_URL=" + tt.url, "UNMASK_DATABASE_MAX_CONNECTIONS=9"}})
		require.NoError(t, err, tt.url)
		require.Equal(t, tt.path, cfg.SQLitePath(), tt.url)
		require.Equal(t, tt.postgres, cfg.Postgres(), tt.url)
		require.Equal(t, 9, cfg.Database.MaxConnections)
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
