package gemini

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/unmask-eval/unmask/internal/model/credential"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/model/wire"
)

// DefaultBaseURL is where Google serves the API.
const DefaultBaseURL = "https://generativelanguage.googleapis.com"

// MaxStop is how many stop sequences the provider takes.
const MaxStop = 5

// Format is how the endpoint is told the form of a reply that a request asks for.
type Format string

// The ways; see the package openai.
const (
	FormatJSONSchema Format = "json_schema"
	FormatJSONObject Format = "json_object"
	FormatNone       Format = "none"
)

// Config describes one model of the Gemini API.
type Config struct {
	// BaseURL is an http or https URL, with or without a version, which is v1beta
	// by default. Default: DefaultBaseURL.
	BaseURL string
	// Model is the model's id, such as gemini-2.5-flash, or tunedModels/ID. Required.
	Model string
	// APIKey says where the key is kept. It is read once, by New. It is sent in a
	// header and never in the URL.
	APIKey credential.Ref
	// Thoughts asks for summaries of the thinking; without it thinking is hidden.
	Thoughts bool
	// ThinkingBudget bounds thinking in tokens: 0 turns it off where a model lets
	// it be turned off, and -1 leaves it to the model. Nil sends none.
	ThinkingBudget *int
	// ThinkingLevel is sent as thinkingLevel; "" sends none. Not together with a
	// budget.
	ThinkingLevel string
	// SafetySettings are thresholds of the provider's filters by category; see
	// Categories and Thresholds. What is not set is the provider's own.
	SafetySettings map[string]string
	// ResponseFormat defaults to FormatJSONSchema.
	ResponseFormat Format
	// Stop are sequences that end a reply, at most MaxStop.
	Stop []string
	// NoSeed leaves the seed out.
	NoSeed bool
	// Stream asks for server-sent events.
	Stream bool
	// Transport bounds time, size and retries.
	Transport transport.Config
}

// endpoint is a checked Config, and the codec.
type endpoint struct {
	url      string
	key      credential.Secret
	thinking *wireThinking
	safety   []wireSafety
	format   Format
	stop     []string
	noSeed   bool
	stream   bool
}

var (
	_ wire.Codec     = endpoint{}
	_ wire.Explainer = endpoint{}
)

// modelID is what may stand in a path as it is.
var modelID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]*(/[A-Za-z0-9][A-Za-z0-9._@-]*)*$`)

// resolve checks the configuration, reads the key and reports all problems at once.
func (c Config) resolve() (endpoint, error) {
	var problems []error
	e := endpoint{format: c.ResponseFormat, stop: c.Stop, noSeed: c.NoSeed, stream: c.Stream}
	base, id := c.BaseURL, c.Model
	if base == "" {
		base = DefaultBaseURL
	}
	switch {
	case id == "":
		problems = append(problems, errors.New("model is empty"))
	case !modelID.MatchString(id):
		problems = append(problems, errors.New("model has other characters than letters, digits and . _ - @ /"))
	case !strings.Contains(id, "/"):
		id = "models/" + id
	}
	operation := ":generateContent"
	if c.Stream {
		operation = ":streamGenerateContent"
	}
	var err error
	if e.url, err = wire.URL(base, "/v1beta", "/"+id+operation); err != nil {
		problems = append(problems, err)
	}
	if c.Stream {
		e.url += "?alt=sse"
	}
	if e.key, err = c.APIKey.Resolve(); err != nil {
		problems = append(problems, err)
	}
	if e.safety, err = safetySettings(c.SafetySettings); err != nil {
		problems = append(problems, err)
	}
	if c.ThinkingBudget != nil && *c.ThinkingBudget < -1 {
		problems = append(problems, errors.New("thinking_budget is less than -1"))
	}
	if c.ThinkingBudget != nil && c.ThinkingLevel != "" {
		problems = append(problems, errors.New("thinking_budget does not go together with a thinking level"))
	}
	if c.Thoughts || c.ThinkingBudget != nil || c.ThinkingLevel != "" {
		e.thinking = &wireThinking{IncludeThoughts: c.Thoughts, Budget: c.ThinkingBudget, Level: c.ThinkingLevel}
	}
	if len(c.Stop) > MaxStop {
		problems = append(problems, fmt.Errorf("stop has more than %d sequences", MaxStop))
	}
	switch e.format {
	case "":
		e.format = FormatJSONSchema
	case FormatJSONSchema, FormatJSONObject, FormatNone:
	default:
		problems = append(problems, fmt.Errorf("response_format is none of %s, %s and %s", FormatJSONSchema, FormatJSONObject, FormatNone))
	}
	if len(problems) > 0 {
		return endpoint{}, fmt.Errorf("gemini model: %w", errors.Join(problems...))
	}
	return e, nil
}
