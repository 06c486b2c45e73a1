// Package config is the one configuration of an instance: typed settings from one
// file and the mapping files it includes, read strictly, with every problem
// reported at once. The worker and the operator's command load it.
//
// What a setting may be stands once, in the tags of its field: jsonschema for
// limits, default and choices, want for the words in which a problem asks for it.
// Defaults, validation, the JSON Schemas and docs/configuration.md follow from
// the tags; only rules across fields are written as code.
//
// Temporal's own environment configuration (TEMPORAL_ADDRESS, profiles, API keys,
// mTLS) wins over the temporal section, so that what works for the temporal
// command works here.
package config

import (
	_ "embed"
	"time"

	"causeway.dev/internal/mapping"
)

//go:generate go test -run ^TestGeneratedFilesAreCurrent$ . -update

// Schema is the JSON Schema of the configuration file, for editors.
//
//go:embed causeway.schema.json
var Schema []byte

// MappingsSchema is the JSON Schema of an included file.
//
//go:embed mappings.schema.json
var MappingsSchema []byte

// Config is one instance: two systems, where their state is kept, and what flows.
type Config struct {
	// Instance names this installation; it begins every workflow id.
	Instance string `yaml:"instance" jsonschema:"required,pattern=^[a-z0-9]([a-z0-9-]*[a-z0-9])?$,maxLength=63" want:"1 to 63 lower-case letters, digits and hyphens, such as acme-prod"`
	// Dynamics is the Dynamics 365 organisation records come from.
	Dynamics Dynamics `yaml:"dynamics" jsonschema:"required"`
	// Campaign is the Adobe Campaign Standard instance records go to.
	Campaign Campaign `yaml:"campaign" jsonschema:"required"`
	// Temporal says where the Temporal server is; optional, the environment wins.
	Temporal Temporal `yaml:"temporal,omitempty"`
	// Ledger is the database of this installation's own state.
	Ledger Ledger `yaml:"ledger,omitempty"`
	// Include names files that hold mappings only, as patterns such as mappings/*.yaml, relative to this file.
	Include []string `yaml:"include,omitempty"`
	// Ingress is the flow from Dynamics to Campaign.
	Ingress Ingress `yaml:"ingress,omitempty"`
	// Egress is the flow of e-mail events from Campaign to Dynamics.
	Egress Egress `yaml:"egress,omitempty"`
	// OptOut keeps opt-outs in step.
	OptOut OptOut `yaml:"opt_out,omitempty"`
	// Quarantine says when refused records stop a run.
	Quarantine Quarantine `yaml:"quarantine,omitempty"`
	// Deletes says when deletes wait for an operator.
	Deletes Deletes `yaml:"deletes,omitempty"`
	// Retention says how long the ledger keeps what has been done with.
	Retention Retention `yaml:"retention,omitempty"`
	// Failures says what follows when a service fails for longer than a moment.
	Failures Failures `yaml:"failures,omitempty"`
	// Access says who may do what.
	Access Access `yaml:"access,omitempty"`
	// Doctor says by what "causeway doctor" judges.
	Doctor Doctor `yaml:"doctor,omitempty"`
	// Notify tells a webhook what needs somebody.
	Notify Notify `yaml:"notify,omitempty"`
	// Hooks takes calls with which Dynamics says that a table has changed.
	Hooks Hooks `yaml:"hooks,omitempty"`
	// LogExport writes what flows did into files on the file server of Campaign.
	LogExport LogExport `yaml:"log_export,omitempty"`
	// Upgrades says what follows when a worker of another version begins.
	Upgrades Upgrades `yaml:"upgrades,omitempty"`
	// Telemetry is what the worker tells of itself.
	Telemetry Telemetry `yaml:"telemetry,omitempty"`

	source source
}

// Dynamics connects to one Dynamics 365 organisation.
type Dynamics struct {
	// URL is the address of the organisation.
	URL string `yaml:"url" jsonschema:"required,format=uri,pattern=^https://,example=https://acme.crm4.dynamics.com"`
	// Tenant is the directory id of the app registration: a GUID or a verified domain.
	Tenant string `yaml:"tenant" jsonschema:"required" want:"the directory (tenant) id of the app registration"`
	// ClientID is the application id of the app registration.
	ClientID string `yaml:"client_id" jsonschema:"required" want:"the application (client) id of the app registration"`
	// ClientSecret of the app registration, as env:NAME or file:path. Needed unless ClientCertificate is set.
	ClientSecret Secret `yaml:"client_secret,omitempty"`
	// ClientCertificate is a PEM file with certificate and unencrypted private key, as file:path or env:NAME; used instead of ClientSecret.
	ClientCertificate Secret `yaml:"client_certificate,omitempty"`
	// Authority issues the tokens. Change it for national clouds and sandboxes.
	Authority string `yaml:"authority,omitempty" jsonschema:"minLength=1,format=uri,pattern=^https://,default=https://login.microsoftonline.com"`
	// InstanceDiscovery lets the authority be checked with Microsoft. Set false for an authority that is not Microsoft's.
	InstanceDiscovery bool `yaml:"instance_discovery" jsonschema:"default=true"`
	// CAFile is a PEM file of certificate authorities to trust besides the system's.
	CAFile string `yaml:"ca_file,omitempty"`
	// PageSize is how many records a page asks for.
	PageSize int `yaml:"page_size,omitempty" jsonschema:"minimum=1,maximum=5000,default=5000"`
	// Concurrency is how many requests may be in flight, of all workers together.
	Concurrency int `yaml:"concurrency,omitempty" jsonschema:"minimum=1,maximum=52,default=16"`
	// Timeout of one request.
	Timeout time.Duration `yaml:"timeout,omitempty" jsonschema:"minimum=1s,maximum=10m,default=2m"`
}

// Campaign connects to one Adobe Campaign Standard instance.
type Campaign struct {
	// URL is the address of the instance.
	URL string `yaml:"url" jsonschema:"required,format=uri,pattern=^https://,example=https://mc.adobe.io/acme"`
	// IMSURL issues the tokens. The path /ims/token/v3 is added.
	IMSURL string `yaml:"ims_url,omitempty" jsonschema:"minLength=1,format=uri,pattern=^https://,default=https://ims-na1.adobelogin.com"`
	// OrganizationID is the IMS organisation of the Developer Console project, such as 1234@AdobeOrg.
	OrganizationID string `yaml:"organization_id,omitempty"`
	// ClientID is the API key of the OAuth server-to-server credential.
	ClientID string `yaml:"client_id" jsonschema:"required" want:"the client id of the OAuth server-to-server credential"`
	// ClientSecret of that credential, as env:NAME or file:path.
	ClientSecret Secret `yaml:"client_secret" jsonschema:"required"`
	// Scopes that the project shows for the credential. Without this key: those of a project with Campaign and I/O Events.
	Scopes []string `yaml:"scopes,omitempty" jsonschema:"minItems=1"`
	// CAFile is a PEM file of certificate authorities to trust besides the system's.
	CAFile string `yaml:"ca_file,omitempty"`
	// Concurrency is how many requests may be in flight, of all workers together.
	Concurrency int `yaml:"concurrency,omitempty" jsonschema:"minimum=1,maximum=256,default=8"`
	// Rate is the most requests per second, of all workers together; 0 sets no limit.
	Rate float64 `yaml:"rate" jsonschema:"minimum=0,maximum=10000,default=10"`
	// EngineCallsPerHour is how many engine calls all workers together may make in an hour; 0 counts them and sets no limit. When they are used up, loads wait for the next hour (R22.2).
	EngineCallsPerHour int `yaml:"engine_calls_per_hour,omitempty" jsonschema:"minimum=0,maximum=100000000,default=0"`
	// EngineCallsReserved is the share of them that only changes may use.
	EngineCallsReserved float64 `yaml:"engine_calls_reserved" jsonschema:"minimum=0,maximum=0.9,default=0.2"`
	// Timeout of one request; it should outlast Adobe's gateway, which gives up after a minute.
	Timeout time.Duration `yaml:"timeout,omitempty" jsonschema:"minimum=1s,maximum=10m,default=65s"`
	// Journal is where e-mail events are read.
	Journal Journal `yaml:"journal,omitempty"`
	// SFTP is where exported files are read.
	SFTP SFTP `yaml:"sftp,omitempty"`
}

// Temporal says where the Temporal server is, for settings that the environment
// leaves open.
type Temporal struct {
	// Address of the server, host:port; Temporal's own when nobody names one. TEMPORAL_ADDRESS wins.
	Address string `yaml:"address,omitempty" jsonschema:"format=host:port,example=localhost:7233"`
	// Namespace of the server. TEMPORAL_NAMESPACE wins.
	Namespace string `yaml:"namespace,omitempty"`
	// Profile of Temporal's own configuration file; TEMPORAL_PROFILE wins.
	Profile string `yaml:"profile,omitempty"`
	// UIURL is the address of Temporal's Web UI; "causeway runs show" then links to it.
	UIURL string `yaml:"ui_url,omitempty" jsonschema:"format=uri,pattern=^https?://[^/?#@]+[^?#]*$,example=http://localhost:8233"`
	// EncryptionKey seals payloads and the texts of failures before they go to Temporal, as env:NAME or file:path: keys of 32 bytes in hex or base64, separated by blanks or line breaks. The first seals, all open. The worker and the command line need it.
	EncryptionKey Secret `yaml:"encryption_key,omitempty"`
	// CodecListen is where "causeway codec" opens them for Temporal's Web UI and command line: host:port of this machine alone. Pages of ui_url may ask.
	CodecListen string `yaml:"codec_listen,omitempty" jsonschema:"format=host:port,default=127.0.0.1:8234"`
}

// Ledger is the database of staged pages, records, watermarks and quarantine.
type Ledger struct {
	// Driver is sqlite, for one worker, or postgres, for any number.
	Driver string `yaml:"driver,omitempty" jsonschema:"enum=sqlite,enum=postgres,default=sqlite"`
	// Path of the SQLite file, relative to the configuration file. Only with sqlite.
	Path string `yaml:"path,omitempty" jsonschema:"default=causeway.db"`
	// DSN of the PostgreSQL database, as env:NAME or file:path. Needed with postgres, and only there.
	DSN Secret `yaml:"dsn,omitempty"`
	// Password of the database, as env:NAME or file:path, in place of one in dsn. It needs no escaping. Only with postgres.
	Password Secret `yaml:"password,omitempty"`
	// EncryptionKey seals every value in the ledger that can be a person's, as env:NAME or file:path: keys of 32 bytes in hex or base64, separated by blanks or line breaks. The first seals, all open. Only the worker needs it. A backup of the ledger is of no use without it.
	EncryptionKey Secret `yaml:"encryption_key,omitempty"`
	// Erasures is a file that keeps, as keyed hashes, who was forgotten, so that a ledger restored from a backup can be searched for them. Keep it with the backups, but do not restore it with them. Relative to the configuration file. Left out with sqlite, it is beside the ledger, with .erasures at the end of the name. Give workers on several hosts each their own.
	Erasures string `yaml:"erasures,omitempty"`
	// Synchronous is full (a commit survives a power cut) or normal (faster; a power cut may lose the last commits). Only with sqlite.
	Synchronous string `yaml:"synchronous,omitempty" jsonschema:"enum=full,enum=normal,default=full"`
	// StatementTimeout ends a statement of the ledger that lasts longer; it is tried again. 0 leaves it to the server. Only with postgres.
	StatementTimeout time.Duration `yaml:"statement_timeout" jsonschema:"minimum=0s,maximum=1h,default=2m"`
	// Backup says how copies of a SQLite file are made and kept. A PostgreSQL database is backed up by its own tools.
	Backup Backup `yaml:"backup,omitempty"`
	// Connections is how many connections each worker may have to the database, besides one by which it shows that it lives. A worker has at most four requests to a service in flight for each, and eight lanes in hand. Only with postgres.
	Connections int `yaml:"connections,omitempty" jsonschema:"minimum=4,maximum=256,default=16"`
	// ShareEvery is how often a worker renews its share of the limits that all workers keep together. The share of one that was killed is the others' after four times as long; one that cannot renew sends nothing after three times. Only with postgres.
	ShareEvery time.Duration `yaml:"share_every,omitempty" jsonschema:"minimum=200ms,maximum=1m,default=2s"`
}

// Backup says how copies of a SQLite ledger are made and kept.
type Backup struct {
	// Folder is where the worker puts copies, relative to the configuration file; left out, it is backups beside the ledger. Choose another disk.
	Folder string `yaml:"folder,omitempty"`
	// Nightly is the time of day, in UTC, at which a worker makes a copy by itself; empty is never.
	Nightly string `yaml:"nightly,omitempty" jsonschema:"pattern=^([01][0-9]|2[0-3]):[0-5][0-9]$,example=02:30" want:"a time of day such as \"02:30\", in quotes"`
	// Keep is how many copies stay in the folder; older ones are removed after a new one was made.
	Keep int `yaml:"keep,omitempty" jsonschema:"minimum=1,maximum=10000,default=14"`
	// KeepFor is the age at which a copy is removed likewise; the newest stays. 0 is never.
	KeepFor time.Duration `yaml:"keep_for" jsonschema:"minimum=0s,maximum=87600h,default=720h"`
	// WarnAfter is the age of the newest copy from which status and the alert warn, when nightly is set.
	WarnAfter time.Duration `yaml:"warn_after,omitempty" jsonschema:"minimum=1h,maximum=8760h,default=48h"`
}

// Ingress is the flow from Dynamics to Campaign.
type Ingress struct {
	// Tables are the table mappings by name, such as contacts: lower-case letters, digits, hyphens and underscores. At most 20 besides contact.
	Tables map[string]mapping.Table `yaml:"tables,omitempty"`
	// Lanes is how many parts of a page are written in parallel.
	Lanes int `yaml:"lanes,omitempty" jsonschema:"minimum=1,maximum=32,default=8"`
	// ReadAhead is how many pages may be read before the oldest is written.
	ReadAhead int `yaml:"read_ahead,omitempty" jsonschema:"minimum=1,maximum=8,default=2"`
	// PollEvery is the pause between looks for changes.
	PollEvery time.Duration `yaml:"poll_every,omitempty" jsonschema:"minimum=1s,maximum=1h,default=3s"`
	// MaxRecords is the most records that the initial loads of all tables together may be estimated at; a load is not begun when its records cannot be counted. 0 sets no limit. More than 15 million are beyond the guardrail of the Campaign integration (R15.7).
	MaxRecords int `yaml:"max_records" jsonschema:"minimum=0,maximum=1000000000,default=15000000"`
	// KeyProbeRecords is how many records of a Campaign resource are compared before the first start of its mapping, and by causeway plan and apply, for keys that several of them have. Each 1,000 cost an engine call.
	KeyProbeRecords int `yaml:"key_probe_records,omitempty" jsonschema:"minimum=1,maximum=10000000,default=20000"`
	// CatchUpSlack is how far before the start of an initial load changes are read again after it.
	CatchUpSlack time.Duration `yaml:"catch_up_slack" jsonschema:"minimum=0s,maximum=24h,default=5m"`
	// Files is how tables are loaded by file.
	Files Files `yaml:"files,omitempty"`
}

// Quarantine says when refused records stop a run, before a wrong mapping does
// harm, and what may be seen of them.
type Quarantine struct {
	// StopRatio is the share of refused records that stops a run; 1 never stops.
	StopRatio float64 `yaml:"stop_ratio" jsonschema:"minimum=0,maximum=1,default=0.2"`
	// StopMin is how many records a run must have read before StopRatio counts.
	StopMin int `yaml:"stop_min,omitempty" jsonschema:"minimum=1,maximum=1000000,default=100"`
	// OnStop says what becomes of what such a run has written: keep, or rollback, which undoes it.
	OnStop string `yaml:"on_stop,omitempty" jsonschema:"enum=keep,enum=rollback,default=keep"`
	// Reveal lets "causeway quarantine show --reveal" show the values of a refused record to whoever may use this Temporal namespace.
	Reveal bool `yaml:"reveal" jsonschema:"default=true"`
}

// Deletes says when deletes wait for "causeway approve", before a wrong filter or
// an emptied table does harm. Both numbers must be exceeded.
type Deletes struct {
	// StopRatio is the share of the known records that may be deleted unasked within Window; 1 never stops.
	StopRatio float64 `yaml:"stop_ratio" jsonschema:"minimum=0,maximum=1,default=0.05"`
	// StopMin is how many records may be deleted within Window in any case.
	StopMin int `yaml:"stop_min,omitempty" jsonschema:"minimum=1,maximum=1000000,default=100"`
	// Window is the time within which the deletes of a table are added up, so that many small runs are asked about like a large one; 0s counts each run for itself. An approval begins the count anew.
	Window time.Duration `yaml:"window" jsonschema:"minimum=0s,maximum=720h,default=24h"`
	// ShortLoadRatio is the share of the records that Dynamics says a table has which a new baseline must be shown; with less, each of its deletes waits, however few they are. 0 never asks.
	ShortLoadRatio float64 `yaml:"short_load_ratio" jsonschema:"minimum=0,maximum=1,default=0.5"`
	// ShortLoadMin is how many records Dynamics must say that the table has for ShortLoadRatio to count.
	ShortLoadMin int `yaml:"short_load_min,omitempty" jsonschema:"minimum=1,maximum=100000000,default=1000"`
}

// Failures says what follows when a service fails for longer than a moment.
type Failures struct {
	// RetryAfter is the pause before a FAILED flow tries again by itself, when a service was the cause. It doubles each time. 0 leaves it to an operator.
	RetryAfter time.Duration `yaml:"retry_after" jsonschema:"minimum=0s,maximum=24h,default=1m"`
	// RetryAtMost is the longest such pause.
	RetryAtMost time.Duration `yaml:"retry_at_most,omitempty" jsonschema:"minimum=1s,maximum=24h,default=15m"`
	// SetAsideAfter is how long one record may fail alone, while the service takes others, before it goes to quarantine.
	SetAsideAfter time.Duration `yaml:"set_aside_after,omitempty" jsonschema:"minimum=1m,maximum=168h,default=10m"`
	// CheckModelsEvery is the pause between looks whether the data models of both systems still fit, while a flow runs. What does no harm is told; what does not fit any more fails the flow, before a record does. 0 looks at starts only.
	CheckModelsEvery time.Duration `yaml:"check_models_every" jsonschema:"minimum=0s,maximum=720h,default=24h"`
}

// Doctor says by what "causeway doctor" judges, and when it looks by itself.
type Doctor struct {
	// Nightly is the time of day, in UTC, at which a worker makes all checks by itself and keeps what it found for status and the metrics; empty is never.
	Nightly string `yaml:"nightly,omitempty" jsonschema:"pattern=^([01][0-9]|2[0-3]):[0-5][0-9]$,example=03:30" want:"a time of day such as \"03:30\", in quotes"`
	// Audit names tables that are compared in both systems after the checks of the night, one after the other. An audit reads every record: an engine call for each 1,000 in Campaign.
	Audit []string `yaml:"audit,omitempty"`
	// ClockSkew is how far the clock of a service may be from the worker's.
	ClockSkew time.Duration `yaml:"clock_skew,omitempty" jsonschema:"minimum=1s,maximum=1h,default=1m"`
	// FreeMiB is how many MiB have to be free for the ledger and on the file server.
	FreeMiB int `yaml:"free_mib,omitempty" jsonschema:"minimum=1,maximum=1000000,default=1024"`
	// Expiry is how long before its end a credential or certificate is told of.
	Expiry time.Duration `yaml:"expiry,omitempty" jsonschema:"minimum=1h,maximum=8760h,default=720h"`
	// Step is how long one check may take.
	Step time.Duration `yaml:"step,omitempty" jsonschema:"minimum=1s,maximum=5m,default=20s"`
}

// Upgrades says what follows when a worker of another version begins.
type Upgrades struct {
	// Versions says when another version of the worker goes on with the flows: automatic, once it asks for work and the histories of the flows replay in it; manual, at "causeway deploy current"; none, where workers of all versions are given any work.
	Versions string `yaml:"versions,omitempty" jsonschema:"enum=automatic,enum=manual,enum=none,default=automatic"`
	// Build names the version of this worker in Temporal; empty is that of the program.
	Build string `yaml:"build,omitempty" jsonschema:"pattern=^[A-Za-z0-9][A-Za-z0-9._+-]*$,maxLength=100" want:"letters, digits, dots, hyphens, plus signs and underscores, such as v1.2.3"`
	// ReplacedAfter is how long no worker of the current version may have been there before another one takes its place, with automatic.
	ReplacedAfter time.Duration `yaml:"replaced_after,omitempty" jsonschema:"minimum=1s,maximum=1h,default=5s"`
}

// Telemetry is what the worker tells of itself.
type Telemetry struct {
	// Listen is the host:port that serves metrics and health; empty serves none.
	Listen string `yaml:"listen" jsonschema:"format=host:port,default=127.0.0.1:9464"`
	// LogLevel is the least serious kind of line that is logged.
	LogLevel string `yaml:"log_level,omitempty" jsonschema:"enum=debug,enum=info,enum=warn,enum=error,default=info"`
	// LogFormat is text, for people, or json, for programs.
	LogFormat string `yaml:"log_format,omitempty" jsonschema:"enum=text,enum=json,default=text"`
}

// defaultScopes are those that a Developer Console project with Campaign, I/O
// Events and I/O Management shows (docs/protocol/campaign.md §1.1).
func defaultScopes() []string {
	return []string{
		"AdobeID", "openid", "read_organizations", "additional_info.projectedProductContext", "additional_info.roles",
		"adobeio_api", "read_client_secret", "manage_client_secrets", "campaign_sdk",
		"campaign_config_server_general", "deliverability_service_general", "event_receiver_api",
	}
}
