-- Roles with least rights. Run it as the owner of the database once the tables are there, that is after the
-- first start, and again after every upgrade; it changes nothing that is right already:
--     psql "postgresql://OWNER@HOST/NAME" --single-transaction --file storage/postgres/roles.sql
-- The roles cannot log in by themselves: give each to a login of yours, as in
--     CREATE ROLE collector LOGIN PASSWORD '...' IN ROLE gatewatch_writer;
DO $$ DECLARE wanted text; BEGIN
    FOREACH wanted IN ARRAY ARRAY['gatewatch_writer', 'gatewatch_reader', 'gatewatch_decider'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
    END LOOP;
END $$;

REVOKE ALL ON SCHEMA gatewatch FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA gatewatch FROM PUBLIC, gatewatch_writer, gatewatch_reader, gatewatch_decider;
GRANT USAGE ON SCHEMA gatewatch TO gatewatch_writer, gatewatch_reader, gatewatch_decider;
GRANT SELECT ON ALL TABLES IN SCHEMA gatewatch TO gatewatch_writer, gatewatch_reader, gatewatch_decider;

-- collectors and writers: everything but the tables themselves; what is chained by hashes only grows
GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA gatewatch TO gatewatch_writer;
REVOKE UPDATE, DELETE ON gatewatch.audit_trail, gatewatch.change_log FROM gatewatch_writer;
REVOKE INSERT, UPDATE, DELETE ON gatewatch.schema_facts FROM gatewatch_writer;
REVOKE INSERT, DELETE ON gatewatch.commits FROM gatewatch_writer;
REVOKE EXECUTE ON FUNCTION gatewatch.make_day(bigint), gatewatch.drop_days(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gatewatch.make_day(bigint), gatewatch.drop_days(bigint) TO gatewatch_writer;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA gatewatch TO gatewatch_writer;

-- the dashboard where people decide: what they decide on, and nothing of what happened
GRANT INSERT ON
    gatewatch.alert_history, gatewatch.alert_silences, gatewatch.alert_rules, gatewatch.alert_requests,
    gatewatch.change_proposals, gatewatch.change_approvals, gatewatch.change_log, gatewatch.audit_trail,
    gatewatch.blocks, gatewatch.block_lists, gatewatch.audit_settings, gatewatch.given_numbers
    TO gatewatch_decider;
GRANT UPDATE ON
    gatewatch.alert_incidents, gatewatch.alert_silences, gatewatch.alert_outbox, gatewatch.alert_receivers,
    gatewatch.change_proposals, gatewatch.change_approvals, gatewatch.blocks, gatewatch.block_lists,
    gatewatch.given_numbers, gatewatch.commits
    TO gatewatch_decider;
GRANT DELETE ON gatewatch.audit_settings TO gatewatch_decider;
