package commands

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"causeway.dev/sandbox/stack"
)

// settings are a whole configuration for clients of the sandboxes: addresses and
// credentials, a mapping of contacts, events and opt-outs.
func settings(s *stack.Stack) string {
	return fmt.Sprintf(`# A causeway.yaml for these sandboxes, complete; docs/configuration.md has every setting.
instance: sandbox
dynamics:
  url: %s
  authority: %s
  tenant: %s
  client_id: %s
  client_secret: file:%s # or client_certificate: file:%s
  instance_discovery: false
  ca_file: %s
campaign:
  url: %s
  ims_url: %s
  organization_id: %s
  client_id: %s
  client_secret: file:%s
  scopes: [campaign_sdk]
  ca_file: %s
  concurrency: 32
  rate: 0 # the sandbox has no limit; an instance of yours has
  journal: {url: %s}
%singress:
  tables:
    contacts:
      dynamics: {table: contact}
      campaign: {resource: profile, key: externalId}
      apply_deletes: true
      fields:
        - {from: firstname, to: firstName, on_too_long: truncate}
        - {from: lastname, to: lastName}
        - {from: emailaddress1, to: email}
        - {from: mobilephone, to: mobilePhone, on_too_long: truncate}
        - {from: address1_city, to: location.city}
egress:
  sends: true
  opens: true
  clicks: true
  bounces: true
opt_out:
  mode: bidirectional
  pairs:
    - {campaign: denyListEmail, dynamics: donotbulkemail}
    - {campaign: denyListPhone, dynamics: donotphone}
`, s.DynamicsURL, s.Authority, s.Tenant, s.DynamicsClientID, s.DynamicsSecretFile, s.DynamicsCertificateFile, s.CAPath,
		s.CampaignURL, s.IMSURL, s.CampaignOrganization, s.CampaignClientID, s.CampaignSecretFile, s.CAPath, s.JournalURL, sftpSettings(s))
}

// sftpSettings are the settings for the SFTP server; "" without one.
func sftpSettings(s *stack.Stack) string {
	host, port, err := net.SplitHostPort(s.SFTPAddress)
	if s.SFTP == nil || err != nil {
		return ""
	}
	return fmt.Sprintf("  sftp: {host: %s, port: %s, user: %s, key: \"file:%s\", known_hosts: %s, folder: d365_loads/exports} # or fingerprint: %s\n",
		host, port, s.SFTPUser, s.SFTPKeyFile, s.SFTPKnownHostsFile, s.SFTPFingerprint)
}

// writeSettings writes the settings to a file, unless it is there: then it may be somebody's.
func writeSettings(out io.Writer, path, text string) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(filepath.Clean(path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	switch {
	case errors.Is(err, fs.ErrExist):
		_, err = fmt.Fprintf(out, "# %s is there already and stays as it is\n", path)
		return err
	case err != nil:
		return inputError("--settings: %w", err)
	}
	_, err = io.WriteString(f, text)
	if err = errors.Join(err, f.Close()); err == nil {
		_, err = fmt.Fprintf(out, "# The settings are in %s\n", path)
	}
	return err
}
