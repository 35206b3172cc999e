"""Text that Kong's messages have in common, known to both ends of the compression.

Never change a dictionary that files were written with: payloads name theirs by number. Deflate reaches the end
of a dictionary with the shortest codes, so what is most common stands last.
"""

from __future__ import annotations

_SMALL = (
    b'{"entity_type":"","operation":"update","entity":{"id":"","name":"","tags":[],"created_at":,"updated_at":}'
    b'{"source":"crud","event":"services:update","schema":"services","old_entity":{"cache_key":"'
    b'"cache":"core_cache","invalidated","purged","key_masked":"plugins_iterator:version","router:version"'
    b'"target_healthy","target_unhealthy","upstream":"","target":"","health":"HEALTHY","UNHEALTHY","DNS_ERROR"'
    b'{"source":"rate-limiting-advanced","event":"rate-limit-exceeded","rate":,"limit":,"window":"minute"'
    b'"kind":"cluster","event":"node_heartbeat","kind":"cache","kind":"crud","kind":"plugin",'
    b'{"id":"request:","kind":"rate-limiting","event":"exceeded","at_ms":17,"node":"","consumer_id":"",'
    b'"consumer":"","ip":"","service_id":"","service":"","route_id":"","route":"","request_id":"","status":429,'
    b'"limit_name":"minute","limit_value":,"window_s":60,"certainty":"certain","certainty":"probable",'
    b'"evidence":"429 by Kong with Retry-After and RateLimit-Remaining 0","is_request":true'
)
_LOG_ENTRY = (
    b'"tries":[{"balancer_start":17,"balancer_start_ns":1.7e+18,"ip":"127.0.0.1","balancer_latency":0,"port":80,'
    b'"balancer_latency_ns":}],"state":"failed","code":502,"upstream_status":"200","via":"1.1 kong/3.9.1",'
    b'"x-kong-upstream-latency":"","x-kong-proxy-latency":"","x-consumer-custom-id":"","tags":[""],"custom_id":"",'
    b'"x-ratelimit-limit-second":"","x-ratelimit-remaining-second":"0","x-ratelimit-limit-hour":"",'
    b'"x-ratelimit-remaining-hour":"","x-ratelimit-limit-day":"","date":"Mon, 01 Jan 2026 00:00:00 GMT",'
    b'"user-agent":"Mozilla/5.0","accept-encoding":"gzip, deflate","accept":"*/*","host":"","method":"GET","POST"'
    b'"workspace":"","source":"kong","workspace_name":"default","correlation_id":"","service":{"connect_timeout":'
    b'60000,"id":"","host":"","protocol":"http","created_at":17,"updated_at":17,"port":80,"ws_id":"","retries":5,'
    b'"read_timeout":60000,"write_timeout":60000,"name":"","enabled":true},"tries":[],"request":{"headers":{'
    b'"x-correlation-id":"","x-forwarded-for":"","x-forwarded-proto":"https","x-consumer-username":"",'
    b'"x-credential-identifier":"","apikey":"[redacted]","authorization":"[redacted]","cookie":"[redacted]",'
    b'"content-type":"application/json","x-consumer-id":""},"uri":"/","id":"","url":"http://","querystring":{},'
    b'"size":},"upstream_uri":"/","client_ip":"","latencies":{"kong":0,"receive":0,"proxy":-1,"request":0},'
    b'"upstream_status":"","authenticated_entity":{"id":""},"route":{"strip_path":true,"preserve_host":false,'
    b'"protocols":["http","https"],"service":{"id":""},"ws_id":"","path_handling":"v0","created_at":17,'
    b'"updated_at":17,"https_redirect_status_code":426,"regex_priority":0,"request_buffering":true,'
    b'"response_buffering":true,"id":"","paths":["/"],"name":""},"started_at":17,"consumer":{"username":"",'
    b'"updated_at":17,"created_at":17,"id":""},"response":{"status":429,"size":,"headers":{"ratelimit-remaining":'
    b'"0","content-length":"92","retry-after":"","ratelimit-limit":"","content-type":"application/json; '
    b'charset=utf-8","connection":"close","x-ratelimit-limit-minute":"","ratelimit-reset":"",'
    b'"x-ratelimit-remaining-minute":"0","server":"kong/3.9.1","x-kong-request-id":"","x-kong-response-latency":"0"}}}'
)
FIRST = _SMALL + _LOG_ENTRY
"""Dictionary number 0."""
