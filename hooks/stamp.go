package hooks

// Origins of a change.
const (
	OriginApp      = "app"      // through the repositories, or raw SQL inside one of their transactions
	OriginExternal = "external" // any other writer: psql, a migration, another service
	OriginBackfill = "backfill" // no change: a row that the table had already, read for a backfill
	OriginUnknown  = "unknown"  // nobody said: the trigger was off
)

// PruneStamp is the stamp of a transaction that removes rows of auth.auth_events because they are old: what they told of happened, and it is no
// event that they go. It holds for deletes from that table alone, so it can hide no other change.
const PruneStamp = `{"origin":"retention"}`

// Stamp says who writes and on whose behalf. A service sets the first group with db.WithStamp; it travels ahead of the
// rows in the write-ahead log, and a rolled-back savepoint takes it along. It is information, not proof: whoever may
// write a table may write a stamp.
type Stamp struct {
	Origin    string `json:"origin,omitempty"`
	Actor     string `json:"actor,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	IP        string `json:"ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	GeoIP     *GeoIP `json:"geoip,omitempty"`
	// Traceparent is the W3C trace context of the writer.
	Traceparent string `json:"traceparent,omitempty"`
	// Cause is the delivery whose hook made this change, if one did.
	Cause *Cause `json:"cause,omitempty"`

	// Of external writers, from their session.
	Role            string `json:"role,omitempty"`
	ApplicationName string `json:"application_name,omitempty"`
	ClientAddr      string `json:"client_addr,omitempty"`
}

// GeoIP is where a request came from, as far as someone could tell.
type GeoIP struct {
	CountryCode     string  `json:"country_code,omitempty"`
	CountryName     string  `json:"country_name,omitempty"`
	ContinentCode   string  `json:"continent_code,omitempty"`
	SubdivisionCode string  `json:"subdivision_code,omitempty"`
	CityName        string  `json:"city_name,omitempty"`
	TimeZone        string  `json:"time_zone,omitempty"`
	Latitude        float64 `json:"latitude,omitempty"`
	Longitude       float64 `json:"longitude,omitempty"`
}

// Cause names the event and the hook that led to a change, and how many such steps lie behind it.
type Cause struct {
	Seq   int64  `json:"seq"`
	Hook  string `json:"hook"`
	Depth int    `json:"depth"`
}
