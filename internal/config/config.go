// Package config holds the settings of the server: a struct with a default,
// a unit and a meaning for each field, read from defaults, a YAML file, the
// environment and flags, each of which overrides the one before, and validated
// as a whole. A key that nobody knows is an error, wherever it stands.
//
// A key "server.grpc_addr" is the same in the file (nested), in the
// environment (UNMASK_SERVER_GRPC_ADDR) and as a flag (--server.grpc-addr).
// Secrets are never values here: they are named by the environment variable or
// the file that holds them.
package config

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Config is everything that can be set.
type Config struct {
	Server Server  `koanf:"server"`
	Store  Store   `koanf:"store"`
	Runs   Runs    `koanf:"runs"`
	Log    Log     `koanf:"log"`
	Models []Model `koanf:"models"`
	// Graders are judges and panels beside the built-in rubric.
	Graders []Grader `koanf:"graders"`
}

// The roles of a process.
const (
	// RoleAll serves the API and carries out runs.
	RoleAll = "all"
	// RoleAPI serves the API and leaves runs to others that share the store.
	RoleAPI = "api"
	// RoleWorker carries out runs, and has the ops port alone.
	RoleWorker = "worker"
)

// Server is about listening and serving.
type Server struct {
	// Role is what this process does: RoleAll, RoleAPI or RoleWorker.
	Role string `koanf:"role"`
	// GRPCAddr is host:port of the gRPC server. Port 0 picks a free one.
	GRPCAddr string `koanf:"grpc_addr"`
	// HTTPAddr is host:port of REST, OpenAPI and health.
	HTTPAddr string `koanf:"http_addr"`
	// OpsAddr is host:port of metrics and health for operators.
	OpsAddr string `koanf:"ops_addr"`
	// AllowRemote has to be set to listen beyond loopback: the server has no
	// authentication yet.
	AllowRemote bool `koanf:"allow_remote"`
	// Reflection serves the gRPC reflection service.
	Reflection bool `koanf:"reflection"`
	// MaxRequestBytes bounds one request or one message of a stream, on both
	// transports; 4 KiB to 256 MiB.
	MaxRequestBytes int `koanf:"max_request_bytes"`
	// RequestTimeout bounds a unary call that brings no earlier deadline.
	RequestTimeout time.Duration `koanf:"request_timeout"`
	// DrainTimeout bounds a graceful stop: samples in flight are waited for so
	// long, and given up after.
	DrainTimeout time.Duration `koanf:"drain_timeout"`
}

// Store is about the embedded database.
type Store struct {
	// Path of the SQLite file; its directory is made if need be.
	Path string `koanf:"path"`
}

// Runs is about carrying out runs.
type Runs struct {
	// MaxInProgress bounds the runs in progress at once, 1 to 10000.
	MaxInProgress int `koanf:"max_in_progress"`
}

// Log is about logging.
type Log struct {
	// Level is debug, info, warn or error.
	Level string `koanf:"level"`
	// Format is json or console.
	Format string `koanf:"format"`
}

// Model is an endpoint that can be evaluated under a name.
type Model struct {
	// Name is what runs call it: letters, digits, '.', '_', '-', not starting
	// with "sim/", which names the simulated models.
	Name string `koanf:"name"`
	// Provider is "openai-compatible".
	Provider string `koanf:"provider"`
	// BaseURL is the endpoint, with or without /v1.
	BaseURL string `koanf:"base_url"`
	// ModelID is the model's id at the endpoint.
	ModelID string `koanf:"model_id"`
	// APIKeyEnv names the environment variable, APIKeyFile the file, that
	// holds the credential; at most one, and none for endpoints without.
	APIKeyEnv  string `koanf:"api_key_env"`
	APIKeyFile string `koanf:"api_key_file"`
	// Timeout bounds one attempt; default 120 s.
	Timeout time.Duration `koanf:"timeout"`
	// MaxAttempts bounds the calls for one sample, retries included, 1 to 10; default 4.
	MaxAttempts int `koanf:"max_attempts"`
	// MaxCompletionTokens sends the token limit as max_completion_tokens, as
	// some hosted models demand, instead of max_tokens.
	MaxCompletionTokens bool `koanf:"max_completion_tokens"`
	// InputPrice and OutputPrice are what a million tokens cost, in any currency,
	// from 0 to 1e9; nil when not known. Forecasts use them, and nothing else.
	InputPrice  *float64 `koanf:"input_price"`
	OutputPrice *float64 `koanf:"output_price"`
	// ResponseFormat is how the endpoint is told the form of a judge's reply:
	// json_schema (the default), json_object or none.
	ResponseFormat string `koanf:"response_format"`
}

// Default returns the settings of a server that nobody configured: loopback
// only, and a database in the user's data directory.
func Default() Config {
	return Config{
		Server: Server{
			Role:     RoleAll,
			GRPCAddr: "127.0.0.1:8081", HTTPAddr: "127.0.0.1:8080", OpsAddr: "127.0.0.1:9090",
			MaxRequestBytes: 16 << 20, RequestTimeout: time.Minute, DrainTimeout: 30 * time.Second,
		},
		Store: Store{Path: filepath.Join(dataDir(), "unmask.db")},
		Runs:  Runs{MaxInProgress: 64},
		Log:   Log{Level: "info", Format: "json"},
	}
}

// dataDir is the user's data directory for this program, after the XDG rules.
func dataDir() string {
	if d := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "unmask")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "unmask-data"
	}
	return filepath.Join(home, ".local", "share", "unmask")
}

// Problem is one setting that cannot be used.
type Problem struct {
	// Key is the setting, such as "models[0].base_url".
	Key string
	// Message says what was expected.
	Message string
}

// Error lists everything that is wrong with the settings.
type Error struct{ Problems []Problem }

// Error implements error, one problem a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Key + ": " + p.Message
	}
	return "configuration: " + strings.Join(lines, "\n               ")
}

var modelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// Validate returns an *Error with every problem, or nil. It fills in the
// defaults of models.
func (c *Config) Validate() error {
	var out Error
	add := func(key, format string, args ...any) {
		out.Problems = append(out.Problems, Problem{key, fmt.Sprintf(format, args...)})
	}
	for _, a := range []struct{ key, addr string }{
		{"server.grpc_addr", c.Server.GRPCAddr}, {"server.http_addr", c.Server.HTTPAddr}, {"server.ops_addr", c.Server.OpsAddr},
	} {
		host, _, err := net.SplitHostPort(a.addr)
		switch {
		case err != nil:
			add(a.key, "must be host:port, got %q", a.addr)
		case !c.Server.AllowRemote && !loopback(host):
			add(a.key, "%q is not a loopback address; set server.allow_remote to serve others without authentication", host)
		}
	}
	switch c.Server.Role {
	case RoleAll, RoleWorker:
	case RoleAPI:
		add("server.role", "api leaves runs to other processes, and only one can use the file of store.path; set all")
	default:
		add("server.role", "must be all, api or worker, got %q", c.Server.Role)
	}
	if n := c.Server.MaxRequestBytes; n < 4<<10 || n > 256<<20 {
		add("server.max_request_bytes", "must be between 4096 and 268435456, got %d", n)
	}
	if d := c.Server.RequestTimeout; d <= 0 {
		add("server.request_timeout", "must be positive, got %s", d)
	}
	if d := c.Server.DrainTimeout; d <= 0 {
		add("server.drain_timeout", "must be positive, got %s", d)
	}
	if c.Store.Path == "" {
		add("store.path", "must name a file")
	}
	if n := c.Runs.MaxInProgress; n < 1 || n > 10000 {
		add("runs.max_in_progress", "must be between 1 and 10000, got %d", n)
	}
	if l := c.Log.Level; l != "debug" && l != "info" && l != "warn" && l != "error" {
		add("log.level", "must be debug, info, warn or error, got %q", l)
	}
	if f := c.Log.Format; f != "json" && f != "console" {
		add("log.format", "must be json or console, got %q", f)
	}
	seen := map[string]bool{}
	for i := range c.Models {
		m := &c.Models[i]
		m.setDefaults()
		key := fmt.Sprintf("models[%d].", i)
		if seen[m.Name] {
			add(key+"name", "%q is used twice", m.Name)
		}
		seen[m.Name] = true
		m.check(func(field, format string, args ...any) { add(key+field, format, args...) })
	}
	c.checkGraders(add)
	if len(out.Problems) > 0 {
		return &out
	}
	return nil
}

// maxPrice bounds prices, so that products stay exact enough.
const maxPrice = 1e9

func (m *Model) setDefaults() {
	if m.Provider == "" {
		m.Provider = "openai-compatible"
	}
	if m.Timeout == 0 {
		m.Timeout = 2 * time.Minute
	}
	if m.MaxAttempts == 0 {
		m.MaxAttempts = 4
	}
	if m.ResponseFormat == "" {
		m.ResponseFormat = "json_schema"
	}
}

func (m *Model) check(add func(field, format string, args ...any)) {
	if !modelName.MatchString(m.Name) {
		add("name", "must be 1 to 100 letters, digits, '.', '_' or '-', got %q", m.Name)
	}
	if m.Provider != "openai-compatible" {
		add("provider", "must be openai-compatible, got %q", m.Provider)
	}
	if u, err := url.Parse(m.BaseURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		add("base_url", "must be an http or https URL, such as http://127.0.0.1:8000/v1")
	} else if u.User != nil {
		add("base_url", "must not hold credentials; use api_key_env or api_key_file")
	}
	if m.ModelID == "" {
		add("model_id", "must name the model at the endpoint")
	}
	if m.APIKeyEnv != "" && m.APIKeyFile != "" {
		add("api_key_file", "give api_key_env or api_key_file, not both")
	}
	if m.Timeout < 0 {
		add("timeout", "must be positive, got %s", m.Timeout)
	}
	if f := m.ResponseFormat; f != "json_schema" && f != "json_object" && f != "none" {
		add("response_format", "must be json_schema, json_object or none, got %q", f)
	}
	if m.MaxAttempts < 1 || m.MaxAttempts > 10 {
		add("max_attempts", "must be between 1 and 10, got %d", m.MaxAttempts)
	}
	for _, p := range []struct {
		key   string
		price *float64
	}{{"input_price", m.InputPrice}, {"output_price", m.OutputPrice}} {
		if p.price != nil && !(*p.price >= 0 && *p.price <= maxPrice) {
			add(p.key, "must be between 0 and %g, got %v", maxPrice, *p.price)
		}
	}
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
