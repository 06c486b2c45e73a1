package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"github.com/goccy/go-yaml"

	"causeway.dev/internal/mapping"
)

// Load reads, checks and completes the configuration file at path, and the files
// it includes. Relative paths in it are taken from its folder. The error is
// *Problems when the file can be read at all; secrets are not looked up, see
// CheckSecrets.
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return Parse(path, data)
}

// Parse is Load for text at hand; name is used in problems, and its folder for
// relative paths and includes.
func Parse(name string, data []byte) (*Config, error) { return parse(name, data, disk) }

// Read is Load with texts that are not saved yet, by path: each stands for the file of
// that path, whether the file exists or not. It names the files that were read, the main
// file first, also where something is wrong with them.
func Read(path string, texts map[string][]byte) (c *Config, files []string, err error) {
	in := disk.with(texts)
	data, err := in.read(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return parseFiles(path, data, in)
}

func parse(name string, data []byte, in folder) (*Config, error) {
	c, _, err := parseFiles(name, data, in)
	return c, err
}

func parseFiles(name string, data []byte, in folder) (read *Config, files []string, err error) {
	c, d := Defaults(), newDecoder(name)
	complete := d.decode(data, reflect.ValueOf(c).Elem())
	c.source.take(d)
	problems := d.problems
	if complete { // else all of it would be missing
		problems = append(problems, c.include(in)...)
		problems = append(problems, c.validate(problems)...)
	}
	if err := c.source.err(problems); err != nil {
		return nil, c.source.files, err
	}
	c.complete(filepath.Dir(name))
	return c, c.source.files, nil
}

// complete names the mappings, fills in their API and makes relative paths relative to the file.
func (c *Config) complete(dir string) {
	for name, table := range c.Ingress.Tables {
		table.Name = name
		if table.Campaign.API == "" {
			table.Campaign.API = mapping.DefaultAPI
		}
		if c.OptOut.Mode.WritesDynamics() && table.Dynamics.Table == "contact" && table.Campaign.Resource == "profile" {
			table.OptOuts = c.OptOut.Pairs
		}
		c.Ingress.Tables[name] = table
	}
	for _, path := range c.paths() {
		*path = from(dir, *path)
	}
	if c.Ledger.Driver == "sqlite" {
		c.Ledger.Path = from(dir, c.Ledger.Path)
		if c.Ledger.Erasures == "" && c.Ledger.Path != "" {
			c.Ledger.Erasures = c.Ledger.Path + ".erasures"
		}
		if c.Ledger.Backup.Folder == "" && c.Ledger.Path != "" {
			c.Ledger.Backup.Folder = filepath.Join(filepath.Dir(c.Ledger.Path), "backups")
		}
	}
	for _, s := range c.secrets() {
		if ref := string(*s.secret); len(ref) > 5 && ref[:5] == "file:" {
			*s.secret = Secret("file:" + from(dir, ref[5:]))
		}
	}
}

// paths are the settings that name a file, but for that of the ledger.
func (c *Config) paths() []*string {
	return []*string{&c.Dynamics.CAFile, &c.Campaign.CAFile, &c.Campaign.SFTP.KnownHosts, &c.Access.CAFile, &c.Notify.CAFile, &c.Hooks.ClientCAFile, &c.Ledger.Erasures, &c.Ingress.Files.PublicKey, &c.Ledger.Backup.Folder}
}

// from is path as seen from dir; "" stays empty.
func from(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// namedSecret is a secret and its path in the file.
type namedSecret struct {
	path   string
	secret *Secret
}

func (c *Config) secrets() []namedSecret {
	return []namedSecret{
		{"dynamics.client_secret", &c.Dynamics.ClientSecret},
		{"dynamics.client_certificate", &c.Dynamics.ClientCertificate},
		{"campaign.client_secret", &c.Campaign.ClientSecret},
		{"campaign.sftp.key", &c.Campaign.SFTP.Key},
		{"ledger.dsn", &c.Ledger.DSN},
		{"ledger.password", &c.Ledger.Password},
		{"ledger.encryption_key", &c.Ledger.EncryptionKey},
		{"temporal.encryption_key", &c.Temporal.EncryptionKey},
	}
}

// CheckSecrets tries every configured secret and reports those that cannot be
// read, as *Problems.
func (c *Config) CheckSecrets() error {
	var problems Problems
	for _, s := range c.secrets() {
		if !s.secret.IsSet() {
			continue
		}
		if _, err := s.secret.Resolve(); err != nil {
			problems = append(problems, c.source.problem(s.path, "a secret that cannot be read ("+err.Error()+")", "a secret", "set the variable or create the file"))
		}
	}
	return c.source.err(problems)
}

// String is the configuration as YAML: one file with everything in it, defaults and
// included mappings too, secrets as [set] or [missing].
func (c *Config) String() string {
	whole := *c
	whole.Include = nil // what they hold is here
	out, err := yaml.Marshal(&whole)
	if err != nil {
		return "configuration of " + c.Instance + " (cannot be printed)"
	}
	return string(out)
}
