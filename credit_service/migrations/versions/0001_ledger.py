"""The ledger: accounts, reservations, transactions, remembered requests, and the packages on sale."""

from alembic import op

revision = "0001"
down_revision = None

_TABLES = """
CREATE TABLE accounts (
    user_id text COLLATE "C" PRIMARY KEY,
    balance bigint NOT NULL DEFAULT 0,
    reserved bigint NOT NULL DEFAULT 0,
    transaction_count bigint NOT NULL DEFAULT 0,
    reservation_count bigint NOT NULL DEFAULT 0,
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now(),
    close_time timestamptz,
    CONSTRAINT accounts_user_id_length CHECK (char_length(user_id) BETWEEN 1 AND 128),
    CONSTRAINT accounts_reserved_within_balance CHECK (0 <= reserved AND reserved <= balance),
    CONSTRAINT accounts_counts CHECK (transaction_count >= 0 AND reservation_count >= 0)
);

CREATE TABLE reservations (
    reservation_id uuid PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    amount bigint NOT NULL,
    state text NOT NULL,
    expire_time timestamptz NOT NULL,
    create_time timestamptz NOT NULL,
    charged_amount bigint NOT NULL,
    settle_time timestamptz,
    release_reason text NOT NULL,
    reference_type text NOT NULL,
    reference_id text NOT NULL,
    description text NOT NULL,
    metadata jsonb NOT NULL,
    transaction_id uuid,
    CONSTRAINT reservations_user_id_fkey FOREIGN KEY (user_id) REFERENCES accounts (user_id),
    CONSTRAINT reservations_user_id_number_key UNIQUE (user_id, number),
    CONSTRAINT reservations_reservation_id_user_id_key UNIQUE (reservation_id, user_id),
    CONSTRAINT reservations_number CHECK (number >= 1),
    CONSTRAINT reservations_amount CHECK (amount BETWEEN 1 AND 1000000000000),
    CONSTRAINT reservations_state
        CHECK (state IN ('RESERVED', 'CHARGED', 'RELEASED', 'EXPIRED', 'REFUSED')),
    CONSTRAINT reservations_charged_amount
        CHECK (charged_amount BETWEEN 0 AND amount AND (state = 'CHARGED' OR charged_amount = 0)),
    CONSTRAINT reservations_transaction_id CHECK ((transaction_id IS NOT NULL) = (charged_amount > 0)),
    CONSTRAINT reservations_settle_time CHECK ((settle_time IS NULL) = (state IN ('RESERVED', 'REFUSED'))),
    CONSTRAINT reservations_expired_when_due CHECK (state <> 'EXPIRED' OR settle_time = expire_time),
    CONSTRAINT reservations_settled_in_time
        CHECK (state NOT IN ('CHARGED', 'RELEASED') OR settle_time < expire_time),
    CONSTRAINT reservations_release_reason CHECK (state = 'RELEASED' OR release_reason = '')
);
CREATE INDEX reservations_due ON reservations (expire_time) WHERE state = 'RESERVED';
CREATE INDEX reservations_held ON reservations (user_id, expire_time) WHERE state = 'RESERVED';

CREATE TABLE transactions (
    transaction_id uuid PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    type text NOT NULL,
    amount bigint NOT NULL,
    balance_after bigint NOT NULL,
    create_time timestamptz NOT NULL,
    description text NOT NULL,
    reservation_id uuid,
    reference_type text NOT NULL,
    reference_id text NOT NULL,
    metadata jsonb NOT NULL,
    CONSTRAINT transactions_user_id_fkey FOREIGN KEY (user_id) REFERENCES accounts (user_id),
    CONSTRAINT transactions_reservation_id_fkey
        FOREIGN KEY (reservation_id, user_id) REFERENCES reservations (reservation_id, user_id),
    CONSTRAINT transactions_user_id_number_key UNIQUE (user_id, number),
    CONSTRAINT transactions_reservation_id_key UNIQUE (reservation_id),
    CONSTRAINT transactions_number CHECK (number >= 1),
    CONSTRAINT transactions_type CHECK (
        type IN ('PURCHASE', 'INSIGHT_UNLOCK', 'REFUND', 'BONUS', 'ADJUSTMENT', 'CHARGEBACK')
    ),
    CONSTRAINT transactions_amount CHECK (amount <> 0 AND amount BETWEEN -1000000000000 AND 1000000000000),
    CONSTRAINT transactions_sign CHECK (
        CASE
            WHEN type IN ('PURCHASE', 'BONUS') THEN amount > 0
            WHEN type IN ('INSIGHT_UNLOCK', 'CHARGEBACK') THEN amount < 0
            ELSE true
        END
    ),
    CONSTRAINT transactions_reservation_id
        CHECK ((type = 'INSIGHT_UNLOCK') = (reservation_id IS NOT NULL)),
    CONSTRAINT transactions_balance_after CHECK (balance_after >= 0)
);
ALTER TABLE reservations ADD CONSTRAINT reservations_transaction_id_fkey
    FOREIGN KEY (transaction_id) REFERENCES transactions (transaction_id);

CREATE TABLE requests (
    user_id text COLLATE "C" NOT NULL,
    request_id uuid NOT NULL,
    operation text NOT NULL,
    sent jsonb NOT NULL,
    create_time timestamptz NOT NULL,
    reservation_id uuid,
    transaction_id uuid,
    expire_time timestamptz,
    available bigint,
    PRIMARY KEY (user_id, request_id),
    CONSTRAINT requests_operation
        CHECK (operation IN ('GRANT', 'RESERVE', 'CHARGE', 'RELEASE', 'EXTEND'))
);

CREATE TABLE packages (
    package_id text PRIMARY KEY,
    title text NOT NULL,
    coins bigint NOT NULL,
    on_sale boolean NOT NULL,
    CONSTRAINT packages_coins CHECK (coins >= 1)
);
"""

# The conditions stand in WHEN, so an allowed change costs no function call.
_TRIGGERS = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0]
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER transactions_are_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('transactions are only ever added');

CREATE TRIGGER requests_are_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON requests
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('what was answered stays answered');

CREATE TRIGGER reservations_stay BEFORE DELETE OR TRUNCATE ON reservations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('reservations are never deleted');

CREATE TRIGGER accounts_stay BEFORE DELETE OR TRUNCATE ON accounts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('accounts are closed, never deleted');

CREATE TRIGGER accounts_stay_closed BEFORE UPDATE ON accounts FOR EACH ROW
    WHEN (OLD.close_time IS NOT NULL AND NEW.close_time IS NULL)
    EXECUTE FUNCTION refuse_change('a closed account is never opened again');

CREATE TRIGGER reservations_expire_when_due BEFORE INSERT OR UPDATE ON reservations FOR EACH ROW
    WHEN (NEW.state = 'EXPIRED' AND NEW.expire_time > clock_timestamp())
    EXECUTE FUNCTION refuse_change('its time has not run out');

CREATE TRIGGER reservations_settle_once BEFORE UPDATE ON reservations FOR EACH ROW
    WHEN (OLD.state <> 'RESERVED')
    EXECUTE FUNCTION refuse_change('a reservation that has left RESERVED never changes');

CREATE TRIGGER reservations_keep_their_terms BEFORE UPDATE ON reservations FOR EACH ROW
    WHEN (
        (NEW.reservation_id, NEW.user_id, NEW.number, NEW.amount, NEW.create_time)
            IS DISTINCT FROM (OLD.reservation_id, OLD.user_id, OLD.number, OLD.amount, OLD.create_time)
        OR (NEW.reference_type, NEW.reference_id, NEW.description, NEW.metadata)
            IS DISTINCT FROM (OLD.reference_type, OLD.reference_id, OLD.description, OLD.metadata)
        OR NEW.state = 'REFUSED'
        OR NEW.expire_time < OLD.expire_time
    )
    EXECUTE FUNCTION refuse_change('what was reserved stays as it was, and no expiry is shortened');
"""


def upgrade() -> None:
    """Make the tables and the triggers that guard them."""
    op.execute(_TABLES)
    op.execute(_TRIGGERS)
