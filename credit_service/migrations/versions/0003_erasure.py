"""Erased accounts: the one change of history that is allowed, and what it may change."""

from alembic import op

revision = "0003"
down_revision = "0002"

_TABLE = """
CREATE TABLE erased_accounts (
    pseudonym text COLLATE "C" NOT NULL,
    erase_time timestamptz NOT NULL,
    forfeited bigint NOT NULL,
    CONSTRAINT erased_accounts_pkey PRIMARY KEY (pseudonym),
    CONSTRAINT erased_accounts_forfeited CHECK (forfeited >= 0),
    CONSTRAINT erased_accounts_pseudonym_fkey FOREIGN KEY (pseudonym) REFERENCES accounts (user_id)
        DEFERRABLE INITIALLY DEFERRED
);
CREATE TRIGGER erased_accounts_are_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON erased_accounts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('what is erased stays erased');
"""

# The arguments after the message are the columns that an erasure may change: the user's id into the
# pseudonym, words into none. Everything else of the row has to stay, so no amount, number or time can change.
# The pseudonym must have been made by this very transaction, so that none goes to another account later.
_GUARD = """
CREATE FUNCTION refuse_unless_erased() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := to_jsonb(OLD);
    after jsonb := to_jsonb(NEW);
    words text;
    erased boolean;
BEGIN
    erased := before - TG_ARGV[1:] = after - TG_ARGV[1:]
        AND NOT (TG_TABLE_NAME = 'accounts' AND before ->> 'close_time' IS NULL)
        AND EXISTS (
            SELECT FROM erased_accounts
            WHERE pseudonym = NEW.user_id AND xmin = CAST(pg_current_xact_id() AS xid)
        );
    FOREACH words IN ARRAY TG_ARGV[1:] LOOP
        erased := erased AND (words = 'user_id' OR after -> words IN (before -> words, '""', '{}'));
    END LOOP;
    IF NOT erased THEN
        RAISE EXCEPTION '% on % is refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0]
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER accounts_keep_their_names BEFORE UPDATE ON accounts FOR EACH ROW
    WHEN (OLD.user_id IS DISTINCT FROM NEW.user_id)
    EXECUTE FUNCTION refuse_unless_erased('an account keeps its name', 'user_id');

DROP TRIGGER transactions_are_only_added ON transactions;
CREATE TRIGGER transactions_are_only_added BEFORE DELETE OR TRUNCATE ON transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('transactions are only ever added');
CREATE TRIGGER transactions_never_change BEFORE UPDATE ON transactions FOR EACH ROW
    EXECUTE FUNCTION refuse_unless_erased(
        'transactions are only ever added',
        'user_id', 'description', 'metadata', 'reference_type', 'reference_id'
    );

DROP TRIGGER events_are_only_added ON events;
CREATE TRIGGER events_are_only_added BEFORE DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('events are only ever added');
CREATE TRIGGER events_never_change BEFORE UPDATE ON events FOR EACH ROW
    EXECUTE FUNCTION refuse_unless_erased('events are only ever added', 'user_id');

DROP TRIGGER reservations_settle_once ON reservations;
CREATE TRIGGER reservations_settle_once BEFORE UPDATE ON reservations FOR EACH ROW
    WHEN (OLD.state <> 'RESERVED')
    EXECUTE FUNCTION refuse_unless_erased(
        'a reservation that has left RESERVED never changes',
        'user_id', 'description', 'metadata', 'reference_type', 'reference_id', 'release_reason'
    );
DROP TRIGGER reservations_keep_their_terms ON reservations;
CREATE TRIGGER reservations_keep_their_terms BEFORE UPDATE ON reservations FOR EACH ROW
    WHEN (
        (NEW.reservation_id, NEW.user_id, NEW.number, NEW.amount, NEW.create_time)
            IS DISTINCT FROM (OLD.reservation_id, OLD.user_id, OLD.number, OLD.amount, OLD.create_time)
        OR (NEW.reference_type, NEW.reference_id, NEW.description, NEW.metadata)
            IS DISTINCT FROM (OLD.reference_type, OLD.reference_id, OLD.description, OLD.metadata)
        OR NEW.state = 'REFUSED'
        OR NEW.expire_time < OLD.expire_time
    )
    EXECUTE FUNCTION refuse_unless_erased(
        'what was reserved stays as it was, and no expiry is shortened',
        'user_id', 'description', 'metadata', 'reference_type', 'reference_id', 'release_reason'
    );

DROP TRIGGER archived_reservations_are_only_added ON archived_reservations;
CREATE TRIGGER archived_reservations_are_only_added BEFORE DELETE OR TRUNCATE ON archived_reservations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('what is archived stays as it was');
CREATE TRIGGER archived_reservations_never_change BEFORE UPDATE ON archived_reservations FOR EACH ROW
    EXECUTE FUNCTION refuse_unless_erased(
        'what is archived stays as it was',
        'user_id', 'description', 'metadata', 'reference_type', 'reference_id', 'release_reason'
    );

DROP TRIGGER requests_are_only_added ON requests;
CREATE TRIGGER requests_are_only_added BEFORE TRUNCATE ON requests
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('what was answered stays answered');
CREATE TRIGGER requests_never_change BEFORE UPDATE ON requests FOR EACH ROW
    EXECUTE FUNCTION refuse_unless_erased('what was answered stays answered', 'user_id');

CREATE OR REPLACE FUNCTION refuse_unless_archived() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'reservations' THEN
        PERFORM FROM archived_reservations AS a
        WHERE a.reservation_id = OLD.reservation_id AND ROW(a.*) IS NOT DISTINCT FROM ROW(OLD.*);
    ELSE
        PERFORM FROM archived_requests AS a
        WHERE (a.user_id, a.request_id) = (OLD.user_id, OLD.request_id)
            AND ROW(a.*) IS NOT DISTINCT FROM ROW(OLD.*);
        IF NOT FOUND THEN
            PERFORM FROM erased_accounts
            WHERE pseudonym = OLD.user_id AND xmin = CAST(pg_current_xact_id() AS xid);
        END IF;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% on % is refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0]
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END
$$;
"""


def upgrade() -> None:
    """Make the table of erased accounts, and let their names and words go through the guards."""
    op.execute(_TABLE)
    op.execute(_GUARD)
