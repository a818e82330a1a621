// Package config holds the settings of the server: a struct with a default,
// a unit and a meaning for each field, read from defaults, a YAML file, the
// environment and flags, each of which overrides the one before, and validated
// as a whole. A key that nobody knows is an error, wherever it stands.
//
// A key "server.grpc_addr" is the same in the file (nested), in the
// environment (UNMASK_SERVER_GRPC_ADDR) and as a flag (--server.grpc-addr).
// Secrets are not values here: they are named by the environment variable or
// the file that holds them. The exception is a password in database.url, which
// is shown nowhere.
package config

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Config is everything that can be set.
type Config struct {
	Server   Server   `koanf:"server"`
	Store    Store    `koanf:"store"`
	Database Database `koanf:"database"`
	Runs     Runs     `koanf:"runs"`
	Log      Log      `koanf:"log"`
	// Retention says what the server removes by itself.
	Retention Retention `koanf:"retention"`
	Models    []Model   `koanf:"models"`
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
	// Replica is the lasting name of this process among those that share a
	// PostgreSQL database: the next process of the name takes over at once what this
	// one had. At most 63 letters, digits, '.', '_' or '-', not starting with
	// punctuation. "", the default, is no name; two processes that live at the same
	// time must not have one name, and a default of the host's would give it to them.
	Replica string `koanf:"replica"`
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
	// MaxStreams bounds the streams (watchers and the like) that are open at once in
	// this process, over both transports; 1 to 100000.
	MaxStreams int `koanf:"max_streams"`
	// RequestTimeout bounds a unary call that brings no earlier deadline.
	RequestTimeout time.Duration `koanf:"request_timeout"`
	// DrainTimeout bounds a graceful stop: samples in flight are waited for so
	// long, and given up after.
	DrainTimeout time.Duration `koanf:"drain_timeout"`
}

// Store is about the embedded database.
type Store struct {
	// Path of the SQLite file, unless database.url names another database; its
	// directory is made if need be.
	Path string `koanf:"path"`
}

// Database chooses where everything is kept.
type Database struct {
	// URL is a SQLite file, as a path or "sqlite:PATH", or
	// postgres://USER:PASSWORD@HOST:PORT/DATABASE. "" is the file of store.path.
	URL string `koanf:"url"`
	// MaxConnections bounds the connections to PostgreSQL, 2 to 1000.
	MaxConnections int `koanf:"max_connections"`
}

// Postgres reports whether the settings name a PostgreSQL database.
func (c Config) Postgres() bool {
	return strings.HasPrefix(c.Database.URL, "postgres://") || strings.HasPrefix(c.Database.URL, "postgresql://")
}

// SQLitePath is the SQLite file that the settings name, or "" for PostgreSQL.
func (c Config) SQLitePath() string {
	switch {
	case c.Postgres():
		return ""
	case c.Database.URL == "":
		return c.Store.Path
	default:
		return strings.TrimPrefix(c.Database.URL, sqliteScheme)
	}
}

const sqliteScheme = "sqlite:"

// Runs is about carrying out runs.
type Runs struct {
	// MaxInProgress bounds the runs in progress at once, 1 to 10000.
	MaxInProgress int `koanf:"max_in_progress"`
	// Record is a file to which every exchange with a model is added, for a replay;
	// "" records nothing. It holds prompts and replies, and no credentials.
	Record string `koanf:"record"`
}

// Retention is how long what runs leave is kept after their end. 0, the default,
// is for ever; otherwise at least an hour.
type Retention struct {
	// Transcripts is for the texts of transcripts: prompts, replies and their parse.
	Transcripts time.Duration `koanf:"transcripts"`
	// Runs is for whole runs. Decisions, with their evidence, always stay.
	Runs time.Duration `koanf:"runs"`
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
	// Provider is the wire protocol, one of Providers; default ProviderOpenAI.
	Provider string `koanf:"provider"`
	// File, of a replay, is the recording. ModelID then takes the exchanges with
	// the model of that name alone.
	File string `koanf:"file"`
	// BaseURL is the endpoint, with or without /v1. Providers that serve their own
	// models need none.
	BaseURL string `koanf:"base_url"`
	// ModelID is the model's id at the endpoint.
	ModelID string `koanf:"model_id"`
	// APIKeyEnv names the environment variable, APIKeyFile the file, that
	// holds the credential; at most one, and none for endpoints without.
	APIKeyEnv  string `koanf:"api_key_env"`
	APIKeyFile string `koanf:"api_key_file"`
	// Timeout bounds one attempt; default 120 s.
	Timeout time.Duration `koanf:"timeout"`
	// ConnectTimeout bounds connecting, and on its own the TLS handshake; default
	// 10 s. FirstByteTimeout bounds the wait for the reply to begin; default: Timeout.
	ConnectTimeout   time.Duration `koanf:"connect_timeout"`
	FirstByteTimeout time.Duration `koanf:"first_byte_timeout"`
	Limits           `koanf:",squash"`
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

	ProviderSettings `koanf:",squash"`
}

// Limits bound the calls to an endpoint, whoever makes them. How many are in flight
// is found out within these bounds.
type Limits struct {
	// MaxConcurrency bounds the calls in flight, 1 to 4096; default 1024.
	MaxConcurrency int `koanf:"max_concurrency"`
	// RequestsPerMinute and TokensPerMinute bound the rates; 0 sets no bound.
	// Tokens are those of prompt and reply together.
	RequestsPerMinute int `koanf:"requests_per_minute"`
	TokensPerMinute   int `koanf:"tokens_per_minute"`
	// MaxWait is how long one call is patient with an endpoint that refuses for the
	// rate, which uses up none of MaxAttempts; 1 s to 24 h, default 10 min.
	MaxWait time.Duration `koanf:"max_wait"`
}

func (l Limits) check(add func(field, format string, args ...any)) {
	for _, n := range []struct {
		key         string
		value, most int
	}{
		{"max_concurrency", l.MaxConcurrency, maxConcurrency},
		{"requests_per_minute", l.RequestsPerMinute, maxPerMinute},
		{"tokens_per_minute", l.TokensPerMinute, maxPerMinute},
	} {
		if n.value < 0 || n.value > n.most {
			add(n.key, "must be between 1 and %d, got %d", n.most, n.value)
		}
	}
	if d := l.MaxWait; d != 0 && (d < time.Second || d > 24*time.Hour) {
		add("max_wait", "must be between 1s and 24h, got %s", d)
	}
}

// The highest bounds that make sense.
const (
	maxConcurrency = 4096
	maxPerMinute   = 1_000_000_000
)

// Default returns the settings of a server that nobody configured: loopback
// only, and a database in the user's data directory.
func Default() Config {
	return Config{
		Server: Server{
			Role:     RoleAll,
			GRPCAddr: "127.0.0.1:8081", HTTPAddr: "127.0.0.1:8080", OpsAddr: "127.0.0.1:9090",
			MaxRequestBytes: 16 << 20, MaxStreams: 1024, RequestTimeout: time.Minute, DrainTimeout: 30 * time.Second,
		},
		Store:    Store{Path: filepath.Join(dataDir(), "unmask.db")},
		Database: Database{MaxConnections: 16},
		Runs:     Runs{MaxInProgress: 64},
		Log:      Log{Level: "info", Format: "json"},
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

var replicaName = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]{0,62})?$`)

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
		if !c.Postgres() {
			add("server.role", "api leaves runs to other processes, and only one can use an SQLite file; set all, or a PostgreSQL database.url")
		}
	default:
		add("server.role", "must be all, api or worker, got %q", c.Server.Role)
	}
	if r := c.Server.Replica; !replicaName.MatchString(r) {
		add("server.replica", "must be at most 63 letters, digits, '.', '_' or '-', starting with a letter or digit, got %q", r)
	}
	if n := c.Server.MaxRequestBytes; n < 4<<10 || n > 256<<20 {
		add("server.max_request_bytes", "must be between 4096 and 268435456, got %d", n)
	}
	if n := c.Server.MaxStreams; n < 1 || n > 100_000 {
		add("server.max_streams", "must be between 1 and 100000, got %d", n)
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
	c.Database.check(add)
	if n := c.Runs.MaxInProgress; n < 1 || n > 10000 {
		add("runs.max_in_progress", "must be between 1 and 10000, got %d", n)
	}
	for _, r := range []struct {
		key  string
		kept time.Duration
	}{{"retention.transcripts", c.Retention.Transcripts}, {"retention.runs", c.Retention.Runs}} {
		if d := r.kept; d != 0 && d < time.Hour {
			add(r.key, "must be at least 1h, or 0 to keep for ever, got %s", d)
		}
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

// check repeats nothing of the URL, which may hold a password anywhere.
func (d Database) check(add func(key, format string, args ...any)) {
	c := Config{Database: d}
	const forms = "must be the path of a file, sqlite:PATH, or postgres://USER:PASSWORD@HOST:PORT/DATABASE"
	switch {
	case d.URL == "" || c.Postgres():
	case strings.Contains(d.URL, "://"):
		add("database.url", "%s", forms)
	case c.SQLitePath() == "":
		add("database.url", "%s; there is no path behind sqlite:", forms)
	}
	if n := d.MaxConnections; n < 2 || n > 1000 {
		add("database.max_connections", "must be between 2 and 1000, got %d", n)
	}
}

// maxPrice bounds prices, so that products stay exact enough.
const maxPrice = 1e9

func (m *Model) setDefaults() {
	if m.Provider == "" || m.Provider == oldOpenAI {
		m.Provider = ProviderOpenAI
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
	if m.Provider == ProviderReplay {
		m.checkReplay(add)
		return
	}
	if m.File != "" {
		add("file", "is for the provider replay")
	}
	if !slices.Contains(Providers, m.Provider) {
		add("provider", "must be one of %s or %s, got %q", strings.Join(Providers, ", "), ProviderReplay, m.Provider)
	}
	m.checkProvider(add)
	if m.BaseURL == "" && hosted(m.Provider) {
		// The provider's own address.
	} else if u, err := url.Parse(m.BaseURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
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
	if m.ConnectTimeout < 0 {
		add("connect_timeout", "must be positive, got %s", m.ConnectTimeout)
	}
	if m.FirstByteTimeout < 0 || m.FirstByteTimeout > m.Timeout {
		add("first_byte_timeout", "must be positive and at most timeout, got %s", m.FirstByteTimeout)
	}
	m.Limits.check(add)
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

// ProviderReplay answers from a recording.
const ProviderReplay = "replay"

// checkReplay refuses what has no bearing on a recording, so that nobody believes
// that an endpoint is called.
func (m *Model) checkReplay(add func(field, format string, args ...any)) {
	if m.File == "" {
		add("file", "must name the recording")
	}
	for _, s := range []struct {
		key string
		set bool
	}{
		{"base_url", m.BaseURL != ""},
		{"api_key_env", m.APIKeyEnv != ""},
		{"api_key_file", m.APIKeyFile != ""},
		{"max_concurrency", m.MaxConcurrency != 0},
		{"requests_per_minute", m.RequestsPerMinute != 0},
		{"tokens_per_minute", m.TokensPerMinute != 0},
		{"max_wait", m.MaxWait != 0},
		{"connect_timeout", m.ConnectTimeout != 0},
		{"first_byte_timeout", m.FirstByteTimeout != 0},
		{"stream", m.Stream},
	} {
		if s.set {
			add(s.key, "has no bearing on a replay")
		}
	}
	m.checkProvider(add)
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
