"""The views that other programs may rely on. Their columns, and the order of them, are a promise."""

from __future__ import annotations

from storage.codes import COLLECTOR_GONE_MS, META_LAST_RECEIVED

_REQUEST_ID = """
    CASE WHEN e.request_id IS NOT NULL THEN e.request_id
         WHEN hex(substr(e.id, 1, 1)) = '01' THEN lower(hex(substr(e.id, 2)))
    END"""

VIOLATIONS_VIEW = f"""
SELECT e.at_ms AS at_ms,
    coalesce(cn.value, c.first_name, CASE WHEN e.consumer > 1 THEN c.value END) AS consumer,
    CASE WHEN e.consumer > 1 THEN CASE WHEN c.is_name = 1 THEN same.value ELSE c.value END END AS consumer_id,
    CASE WHEN e.ip > 1 THEN i.value END AS ip,
    coalesce(sn.value, s.first_name, CASE WHEN e.service > 1 THEN s.value END) AS service,
    coalesce(rn.value, r.first_name, CASE WHEN e.route > 1 THEN r.value END) AS route,
    CASE WHEN e.node > 1 THEN n.value END AS node,
    e.status AS status, l.limit_name AS limit_name, l.limit_value AS limit_value, l.window_s AS window_s,
    CASE e.certainty WHEN 1 THEN 'certain' ELSE 'probable' END AS certainty,
    {_REQUEST_ID} AS request_id,
    o.value AS source
FROM events e
JOIN keys c ON c.key_id = e.consumer
JOIN keys i ON i.key_id = e.ip
JOIN keys s ON s.key_id = e.service
JOIN keys r ON r.key_id = e.route
JOIN keys n ON n.key_id = e.node
JOIN keys o ON o.key_id = e.source
LEFT JOIN keys same ON same.key_id = c.same_as
LEFT JOIN limits l ON l.key_id = e.limit_key
LEFT JOIN keys cn ON cn.key_id = e.consumer_name
LEFT JOIN keys sn ON sn.key_id = e.service_name
LEFT JOIN keys rn ON rn.key_id = e.route_name
WHERE e.counted = 1 AND e.certainty IN (1, 2)"""

CONFIG_CHANGES_VIEW = """
SELECT e.at_ms AS at_ms, t.value AS entity_type, d.entity_id AS entity_id, d.entity_name AS entity_name,
    op.value AS operation, a.value AS actor, CASE WHEN e.node > 1 THEN n.value END AS node,
    d.before AS before, d.after AS after
FROM events e
JOIN keys n ON n.key_id = e.node
LEFT JOIN event_details d ON d.seq = e.seq
LEFT JOIN keys t ON t.key_id = d.entity_type
LEFT JOIN keys op ON op.key_id = d.operation
LEFT JOIN keys a ON a.key_id = d.actor
WHERE e.kind = 4 AND e.kind > 1"""

CACHE_INVALIDATIONS_VIEW = """
SELECT e.at_ms AS at_ms, c.value AS cache, t.value AS entity_type, d.key_masked AS key_masked,
    CASE WHEN e.node > 1 THEN n.value END AS node
FROM events e
JOIN keys n ON n.key_id = e.node
LEFT JOIN event_details d ON d.seq = e.seq
LEFT JOIN keys c ON c.key_id = d.cache
LEFT JOIN keys t ON t.key_id = d.entity_type
WHERE e.kind = 3 AND e.kind > 1"""

TARGET_HEALTH_VIEW = """
SELECT e.at_ms AS at_ms, u.value AS upstream, t.value AS target, h.value AS health,
    CASE WHEN e.node > 1 THEN n.value END AS node
FROM events e
JOIN event_details d ON d.seq = e.seq
JOIN keys n ON n.key_id = e.node
LEFT JOIN keys u ON u.key_id = d.upstream
JOIN keys t ON t.key_id = d.target
LEFT JOIN keys h ON h.key_id = d.health
WHERE e.kind = 2 AND e.kind > 1"""

NODES_VIEW = f"""
SELECT n.node AS node,
    coalesce(n.hostname, e.name) AS hostname,
    n.version AS version,
    CASE WHEN n.state NOT IN ('lost', 'never seen') AND strftime('%s', 'now') * 1000 - coalesce(
            (SELECT beat_ms FROM collector_status),
            (SELECT value FROM meta WHERE name = '{META_LAST_RECEIVED}'),
            0) > {COLLECTOR_GONE_MS} THEN 'unknown' ELSE n.state END AS state,
    n.last_seen_ms AS last_seen_ms,
    n.config_hash AS config_hash
FROM known_nodes n
LEFT JOIN entities e ON e.entity_type = 'nodes' AND e.entity_id = n.node"""
"""Where the collector has gone, so has all knowledge of who lives: `state` is `unknown` then, however the
node was found last. A file that only ever took recordings has no collector; there the newest arrival stands
for its last beat, as on the page Nodes (`storage.reading.nodes`). This SQLite tells whole seconds only.
"""

QUARANTINE_VIEW = "SELECT at_ms, source, why, raw FROM quarantine_items"
GAPS_VIEW = "SELECT from_ms, to_ms, source, cause FROM known_gaps"

VIEWS = {
    "violations": VIOLATIONS_VIEW,
    "config_changes": CONFIG_CHANGES_VIEW,
    "cache_invalidations": CACHE_INVALIDATIONS_VIEW,
    "target_health": TARGET_HEALTH_VIEW,
    "nodes": NODES_VIEW,
    "quarantine": QUARANTINE_VIEW,
    "gaps": GAPS_VIEW,
}
