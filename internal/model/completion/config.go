package completion

import (
	"errors"
	"fmt"
	"strings"

	"github.com/unmask-eval/unmask/internal/model/credential"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/model/wire"
)

// API is which completion endpoint is spoken to.
type API string

// The endpoints.
const (
	// APICompletions is /v1/completions of OpenAI, vLLM, SGLang, llama.cpp and
	// others. The default.
	APICompletions API = "completions"
	// APILlamaCpp is llama.cpp's own /completion.
	APILlamaCpp API = "llama.cpp"
)

// Format is how the endpoint is told the form of a reply that a request asks for.
type Format string

// The ways. FormatJSONSchema sends response_format, as vLLM documents it for
// completions, or llama.cpp's json_schema.
const (
	FormatJSONSchema Format = "json_schema"
	FormatNone       Format = "none"
)

// Config describes one model behind a completion endpoint.
type Config struct {
	// BaseURL is an http or https URL, with or without /v1, and without it for
	// APILlamaCpp. Required.
	BaseURL string
	// Model is the model's id as the server knows it. Required.
	Model string
	// APIKey says where the key is kept. It is read once, by New. The zero value
	// sends no credentials.
	APIKey credential.Ref
	// API defaults to APICompletions.
	API API
	// Template turns a chat into a prompt. Required.
	Template Template
	// Stop are sequences that end a reply, beside those of the template.
	Stop []string
	// NoSeed leaves the seed out.
	NoSeed bool
	// ResponseFormat defaults to FormatJSONSchema.
	ResponseFormat Format
	// Stream asks for server-sent events.
	Stream bool
	// Transport bounds time, size and retries.
	Transport transport.Config
}

// endpoint is a checked Config, and the codec.
type endpoint struct {
	url, model string
	key        credential.Secret
	api        API
	template   Template
	stop       []string
	noSeed     bool
	format     Format
	stream     bool
}

var _ wire.Codec = endpoint{}

// resolve checks the configuration, reads the key and reports all problems at once.
func (c Config) resolve() (endpoint, error) {
	var problems []error
	e := endpoint{model: c.Model, api: c.API, template: c.Template, noSeed: c.NoSeed, format: c.ResponseFormat, stream: c.Stream}
	e.stop = append(append(e.stop, c.Template.Stop...), c.Stop...)
	version, operation := "/v1", "/completions"
	switch e.api {
	case "":
		e.api = APICompletions
	case APICompletions:
	case APILlamaCpp:
		version, operation = "", "/completion"
		if strings.HasSuffix(strings.TrimRight(c.BaseURL, "/"), "/v1") {
			problems = append(problems, errors.New("base_url ends in /v1, below which llama.cpp has no /completion; leave it out"))
		}
	default:
		problems = append(problems, fmt.Errorf("completion_api is neither %s nor %s", APICompletions, APILlamaCpp))
	}
	var err error
	if e.url, err = wire.URL(c.BaseURL, version, operation); err != nil {
		problems = append(problems, err)
	}
	if c.Model == "" {
		problems = append(problems, errors.New("model is empty"))
	}
	if e.key, err = c.APIKey.Resolve(); err != nil {
		problems = append(problems, err)
	}
	if err := c.Template.Check(); err != nil {
		problems = append(problems, fmt.Errorf("chat template: %w", err))
	}
	switch e.format {
	case "":
		e.format = FormatJSONSchema
	case FormatJSONSchema, FormatNone:
	default:
		problems = append(problems, fmt.Errorf("response_format is neither %s nor %s", FormatJSONSchema, FormatNone))
	}
	if len(problems) > 0 {
		return endpoint{}, fmt.Errorf("completion model: %w", errors.Join(problems...))
	}
	return e, nil
}
