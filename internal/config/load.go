package config

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"sort"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// EnvPrefix starts the environment variables that are settings.
const EnvPrefix = "UNMASK_"

// EnvFile names the settings file when no flag does.
const EnvFile = EnvPrefix + "CONFIG"

// Source says where settings come from.
type Source struct {
	// File is the path of a YAML file, or "" for none.
	File string
	// Environ is the environment as os.Environ gives it; nil reads none.
	Environ []string
	// Flags maps keys such as "server.grpc_addr" to values given as flags.
	Flags map[string]any
}

// decodeProblem is a line of the decoder's error: the key in quotes and what
// is wrong with its value.
var decodeProblem = regexp.MustCompile(`(?m)^\s*'([^']+)' (.+)$`)

// Load reads the settings: defaults, then the file, the environment and the
// flags. The error names every problem at once.
func Load(src Source) (Config, error) {
	k := koanf.New(".")
	if src.File != "" {
		if err := k.Load(file.Provider(src.File), yaml.Parser()); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return Config{}, &Error{[]Problem{{"config", fmt.Sprintf("there is no file %q", src.File)}}}
			}
			return Config{}, &Error{[]Problem{{"config", fmt.Sprintf("cannot read %q: %v", src.File, err)}}}
		}
	}
	if src.Environ != nil {
		provider := env.Provider(".", env.Opt{
			Prefix:      EnvPrefix,
			EnvironFunc: func() []string { return src.Environ },
			TransformFunc: func(key, value string) (string, any) {
				if key == EnvFile {
					return "", nil
				}
				return envKey(key), value
			},
		})
		if err := k.Load(provider, nil); err != nil {
			return Config{}, fmt.Errorf("read the environment: %w", err)
		}
	}
	for key, value := range src.Flags {
		if err := k.Set(key, value); err != nil {
			return Config{}, fmt.Errorf("flag %s: %w", key, err)
		}
	}
	cfg := Default()
	var meta mapstructure.Metadata
	err := k.UnmarshalWithConf("", &cfg, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		Result: &cfg, Metadata: &meta, WeaklyTypedInput: true, TagName: "koanf",
		DecodeHook: mapstructure.StringToTimeDurationHookFunc(),
	}})
	out := &Error{}
	if err != nil {
		for _, m := range decodeProblem.FindAllStringSubmatch(err.Error(), -1) {
			out.Problems = append(out.Problems, Problem{m[1], m[2]})
		}
		if len(out.Problems) == 0 {
			return Config{}, fmt.Errorf("read settings: %w", err)
		}
	}
	sort.Strings(meta.Unused)
	for _, key := range meta.Unused {
		out.Problems = append(out.Problems, Problem{key, "there is no such setting"})
	}
	var invalid *Error
	if errors.As(cfg.Validate(), &invalid) {
		out.Problems = append(out.Problems, invalid.Problems...)
	}
	if len(out.Problems) > 0 {
		return Config{}, out
	}
	return cfg, nil
}

// envKey turns UNMASK_SERVER_GRPC_ADDR into server.grpc_addr: sections are
// one word and one level deep.
func envKey(key string) string {
	key = strings.ToLower(strings.TrimPrefix(key, EnvPrefix))
	return strings.Replace(key, "_", ".", 1)
}
