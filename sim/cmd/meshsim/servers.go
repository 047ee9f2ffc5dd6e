package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"meshsim/appender/jetstream"
)

// servers is the flags that say where NATS servers are and who asks them.
type servers struct {
	url, creds, ca, cert, key, prefix string
	replicas                          int
}

// register adds all flags but --url, which some commands take as an argument.
func (s *servers) register(f *pflag.FlagSet) {
	f.StringVar(&s.creds, "creds", "", "`file` of user credentials for the servers")
	f.StringVar(&s.ca, "tls-ca", "", "PEM `file` of the authorities that the servers are checked against")
	f.StringVar(&s.cert, "tls-cert", "", "PEM `file` of the client's certificate; with --tls-key")
	f.StringVar(&s.key, "tls-key", "", "PEM `file` of the certificate's key")
}

// registerURL adds --url.
func (s *servers) registerURL(f *pflag.FlagSet) {
	f.StringVar(&s.url, "url", "", "`URL` of a NATS server with JetStream, or several separated by commas (default a server in this process)")
}

// registerPrefix adds --prefix.
func (s *servers) registerPrefix(f *pflag.FlagSet) {
	f.StringVar(&s.prefix, "prefix", jetstream.DefaultPrefix, "`PREFIX` of the subjects and of the names of the streams")
}

// registerReplicas adds --replicas.
func (s *servers) registerReplicas(f *pflag.FlagSet) {
	f.IntVar(&s.replicas, "replicas", 1, "how many servers keep each stream, 1 to 5")
}

// secrets are the flags that only make sense with a server elsewhere.
func (s *servers) secrets() []flagValue {
	return []flagValue{{"creds", s.creds}, {"tls-ca", s.ca}, {"tls-cert", s.cert}, {"tls-key", s.key}}
}

type flagValue struct{ name, value string }

// check finds what is wrong with the flags. remote says that there is a server
// elsewhere which they are for.
func (s *servers) check(remote bool) error {
	for _, f := range s.secrets() {
		if f.value == "" {
			continue
		}
		if !remote {
			return usage("--%s is for a server elsewhere, and there is no --url", f.name)
		}
		if err := readable("--"+f.name, f.value); err != nil {
			return err
		}
	}
	if (s.cert == "") != (s.key == "") {
		return usage("--tls-cert and --tls-key go together, and only one of them is given")
	}
	if s.replicas < 1 || s.replicas > 5 {
		return usage("--replicas %d: expected 1 to 5", s.replicas)
	}
	if remote {
		return checkURL(s.url)
	}
	return nil
}

// checkURL finds what is no server's URL.
func checkURL(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || u.Host == "" {
			return usage("%s is no URL of a server: expected one such as nats://host:4222", redacted(one))
		}
		switch u.Scheme {
		case "nats", "tls", "ws", "wss":
		default:
			return usage("%s: a scheme %q is not known: expected nats:// or tls://", redacted(one), u.Scheme)
		}
	}
	return nil
}

// checkDir finds a --dir that cannot be meant.
func checkDir(dir string) error {
	if looksLikeURL(dir) {
		return usage("--dir %s: expected a directory; --url is for servers", redacted(dir))
	}
	return nil
}

// looksLikeURL tells a URL from a directory.
func looksLikeURL(s string) bool { return strings.Contains(s, "://") }

// options are those of the jetstream package.
func (s *servers) options() jetstream.Options {
	return jetstream.Options{
		URL: s.url, Creds: s.creds, CA: s.ca, Cert: s.cert, Key: s.key, Prefix: s.prefix, Replicas: s.replicas,
	}
}

// again is the words that name the same servers, without --url.
func (s *servers) again() (words []string) {
	for _, f := range s.secrets() {
		if f.value != "" {
			words = append(words, "--"+f.name, f.value)
		}
	}
	if s.prefix != "" && s.prefix != jetstream.DefaultPrefix {
		words = append(words, "--prefix", s.prefix)
	}
	return words
}

// againReplicas is --replicas, if it was given.
func (s *servers) againReplicas() []string {
	if s.replicas > 1 {
		return []string{"--replicas", strconv.Itoa(s.replicas)}
	}
	return nil
}

// redacted is a URL, or several, without passwords.
func redacted(text string) string {
	var all []string
	for one := range strings.SplitSeq(text, ",") {
		one = strings.TrimSpace(one)
		if u, err := url.Parse(one); err == nil {
			one = u.Redacted()
		} else if at := strings.LastIndexByte(one, '@'); at >= 0 {
			one = "..." + one[at:]
		}
		all = append(all, one)
	}
	return fmt.Sprint(strings.Join(all, ","))
}
