// Made by `npm run types` from crates/nexus-api/openapi.json. Changes belong there.

export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description A run in progress. */
        ActiveRun: {
            /** @description Names the run. */
            run_id: string;
            /** @description The stored question. `null`: none is stored. */
            message_id: string | null;
            /**
             * Format: date-time
             * @description The time of its beginning.
             */
            started_at: string;
        };
        /** @description `GET /api/v1/runs`: the runs in progress, oldest first. */
        ActiveRuns: {
            /** @description Oldest first. */
            runs: components["schemas"]["ActiveRun"][];
        };
        /** @description The model that answered. */
        AnsweredBy: {
            /** @description The catalog name. */
            name: string;
            /** @description The provider's row. */
            provider: string;
            /** @description The provider's own name for the model that answered. */
            id: string;
        };
        /** @description An API key, without its secret. */
        ApiKey: {
            /** @description The public part of the token: 12 letters and digits. */
            id: string;
            /** @description The address of its owner. */
            owner_key: string;
            /** @description Its name, chosen by its owner. */
            name: string;
            /** @description The scopes that it has. */
            scopes: components["schemas"]["ApiScope"][];
            /** @description The models that it may ask, by their names in the catalog. `null`: all of them. */
            models: string[] | null;
            /**
             * Format: date-time
             * @description The time of its creation.
             */
            created_at: string;
            /**
             * Format: date-time
             * @description From this moment on it is refused.
             */
            expires_at: string;
            /**
             * Format: date-time
             * @description The time of its last use, to within a minute or so.
             */
            last_used_at: string | null;
            /**
             * Format: date-time
             * @description The time of its revocation.
             */
            revoked_at: string | null;
        };
        /**
         * @description One thing that an API key may do. None of them changes settings, prompts, keys or identities.
         * @enum {string}
         */
        ApiScope: "chat" | "models.read" | "history.read" | "profile.read";
        /** @description One argument of a command. */
        Argument: {
            /** @description Its name. */
            name: string;
            /** @description The values that it takes. */
            type: components["schemas"]["ArgumentKind"];
            /** @description `true` if it must be there. */
            required: boolean;
            /** @description Its meaning, in a few words. */
            description: string;
        };
        /**
         * @description The kind of value of an argument.
         * @enum {string}
         */
        ArgumentKind: "text" | "count" | "list" | "value";
        /**
         * @description The people who may execute a command.
         * @enum {string}
         */
        Audience: "visitor" | "member";
        /** @description The hashes of a value before and after a change. `null`: there was none. */
        AuditChange: {
            /** @description Before. */
            before: string | null;
            /** @description After. */
            after: string | null;
        };
        /** @description One entry of the audit, whole: its hash can be computed again. */
        AuditEntry: {
            /**
             * Format: u-int64
             * @description Its number: 1 for the first.
             */
            seq: number;
            /**
             * Format: date-time
             * @description The time of the action.
             */
            at: string;
            /** @description An address, `local:` and a user of the machine, or `system`. */
            actor: string;
            /** @description A command, such as `config.set`, or what an administrator did. */
            action: string;
            /** @description The target of the action. */
            target: string;
            /** @description The fields that changed, by name. */
            details: {
                [key: string]: components["schemas"]["AuditChange"];
            };
            /** @description The signature that came with it. */
            signature: string | null;
            /** @description The hash of the entry before, in hexadecimal. */
            previous: string;
            /** @description The hash of this entry, in hexadecimal. */
            hash: string;
        };
        /** @description A page of the audit. */
        AuditPage: {
            /** @description In the order of the chain. */
            entries: components["schemas"]["AuditEntry"][];
            /** @description Those between them that cannot be read. */
            unreadable: components["schemas"]["Unreadable"][];
            /**
             * Format: u-int64
             * @description `after` for the next page. `null`: these were the last.
             */
            next_after: number | null;
        };
        /** @description Limits for a value. An absent limit does not limit. */
        Bounds: {
            /**
             * Format: double
             * @description The smallest number.
             * @default null
             */
            min?: number;
            /**
             * Format: double
             * @description The largest number.
             * @default null
             */
            max?: number;
            /**
             * @description Numbers go in these steps; where layers ask for several, all hold.
             * @default []
             */
            steps?: components["schemas"]["Step"][];
            /**
             * @description The only numbers.
             * @default null
             */
            numbers?: number[];
            /**
             * @description The only models, by catalog key.
             * @default null
             */
            models?: string[];
            /**
             * @description The only tools.
             * @default null
             */
            tools?: string[];
            /**
             * @description The only texts.
             * @default null
             */
            texts?: string[];
            /**
             * Format: u-int32
             * @description The longest text, in characters.
             * @default null
             */
            max_length?: number;
        };
        /**
         * @description The status of a run that was told to stop.
         * @enum {string}
         */
        CancelStatus: "ended" | "stopping";
        /** @description `POST /api/v1/runs/{run_id}/cancel`: a run that was told to stop. */
        CancelledRun: {
            /** @description Names the run. */
            run_id: string;
            /** @description The status of the run. */
            status: components["schemas"]["CancelStatus"];
        };
        /** @description `POST /api/v1/auth/challenge`: what a client signs. Nothing of it is stored. */
        Challenge: {
            /** @description 64 hexadecimal digits, usable once. */
            nonce: string;
            /** @description The text to sign, with `{address}` in the place of the address. */
            message_template: string;
            /** @description The host and port of the server. */
            domain: string;
            /** @description The address that is signed in to. */
            uri: string;
            /**
             * Format: u-int64
             * @description A label that is compared, and means nothing more.
             */
            chain_id: number;
            /**
             * Format: date-time
             * @description The time of its creation: whole seconds.
             */
            issued_at: string;
            /**
             * Format: date-time
             * @description From this moment on it is refused.
             */
            expires_at: string;
        };
        /** @description A person who would get another profile. */
        ChangedProfile: {
            /** @description The address. */
            public_key: string;
            /** @description The fields that would change. */
            changes: components["schemas"]["FieldChange"][];
        };
        /**
         * @description The channel of a piece of text.
         * @enum {string}
         */
        Channel: "answer" | "reasoning" | "guidance";
        /** @description The overrides of one request. */
        ChatConfig: {
            /** @description A catalog name, an alias or a provider's id. */
            model?: string;
            /**
             * Format: double
             * @description Sampling temperature.
             */
            temperature?: number;
            /**
             * Format: u-int32
             * @description The longest answer, in tokens.
             */
            max_tokens?: number;
            /**
             * Format: u-int32
             * @description The most earlier messages that the model is shown.
             */
            history_context_size?: number;
            /** @description The tools that the model may call: `current_time`, `SERVER` or `SERVER.TOOL`. */
            tools?: string[];
        };
        /**
         * @description One Server-Sent Event of a run: its name, and what its `data:` line holds. Every run ends with
         *     exactly one `run_finished`.
         */
        ChatEvent: {
            /** @description The run has begun. For a member, the question is stored by now. */
            data: components["schemas"]["RunStarted"];
            /** @enum {string} */
            event: "run_started";
        } | {
            /** @description The run goes otherwise than it was asked for, such as with less history. */
            data: components["schemas"]["RunNotice"];
            /** @enum {string} */
            event: "notice";
        } | {
            /** @description A piece of the answer. */
            data: components["schemas"]["TextChunk"];
            /** @enum {string} */
            event: "text_chunk";
        } | {
            /** @description A tool is about to be called. */
            data: components["schemas"]["ToolCallStarted"];
            /** @enum {string} */
            event: "tool_call_started";
        } | {
            /** @description A tool has answered, or failed to. */
            data: components["schemas"]["ToolCallFinished"];
            /** @enum {string} */
            event: "tool_call_finished";
        } | {
            /** @description Something went wrong; `run_finished` follows. */
            data: components["schemas"]["RunError"];
            /** @enum {string} */
            event: "error";
        } | {
            /** @description The last event. */
            data: components["schemas"]["RunFinished"];
            /** @enum {string} */
            event: "run_finished";
        };
        /**
         * @description A question, or the run whose stored question is asked again. One of `content` and `run_id` is
         *     there.
         */
        ChatRequest: {
            /** @description A question. */
            content?: string | null;
            /** @description The run whose stored question is asked again. */
            run_id?: string | null;
            /**
             * @description The overrides of this one request, stronger than everything stored. A name that is left out is
             *     inherited.
             */
            config?: components["schemas"]["ChatConfig"];
        };
        /** @description A model that may be chosen, as the command `models` lists it. */
        ChoosableModel: {
            /** @description The catalog name. */
            name: string;
            /** @description Other names. */
            aliases: string[];
            /** @description The name of its provider. */
            provider: string;
            /** @description The reason why it cannot be asked. */
            unavailable?: string;
        };
        /**
         * @description A collection, or a table, in which a document may be unreadable.
         * @enum {string}
         */
        Collection: "identities" | "messages" | "sessions" | "api_keys" | "usage" | "configurations" | "audit";
        /** @description `POST /api/v1/commands/execute`: one command. */
        CommandCall: {
            /** @description Its name. */
            command: string;
            /** @description Its arguments, by name. */
            arguments?: Record<string, never>;
        };
        /** @description The result of a command, for programs. */
        CommandData: null | components["schemas"]["CommandDescription"][] | components["schemas"]["Registered"] | components["schemas"]["Erased"] | components["schemas"]["ProfileField"][] | components["schemas"]["FieldChanged"] | components["schemas"]["TimeZone"] | components["schemas"]["Message"][] | components["schemas"]["ChoosableModel"][] | components["schemas"]["NewKey"] | components["schemas"]["ApiKey"][] | components["schemas"]["ListedSession"][] | components["schemas"]["Revoked"];
        /** @description A command, described for a person on this server. */
        CommandDescription: {
            /** @description Its name. */
            name: string;
            /** @description A description for people. */
            description: string;
            /** @description The way it is written in a line. */
            usage: string;
            /** @description Its arguments. */
            arguments: components["schemas"]["Argument"][];
            /** @description The people who may execute it. */
            audience: components["schemas"]["Audience"];
            /** @description `true` if each request must be signed anew. */
            needs_signature: boolean;
        };
        /** @description `GET /api/v1/commands`: every command of this server. */
        CommandList: {
            /** @description In the order in which people read them. */
            commands: components["schemas"]["CommandDescription"][];
        };
        /**
         * @description A standing that an administrator may give. Nobody is sent back to wait.
         * @enum {string}
         */
        Decision: "active" | "disabled";
        /** @description Values that hold for a model where no stronger layer sets them. */
        DefaultParams: {
            /**
             * Format: double
             * @description Sampling temperature.
             */
            temperature?: number;
            /**
             * Format: u-int32
             * @description The longest answer, in tokens.
             */
            max_tokens?: number;
        };
        /** @description One place where two documents differ. */
        DocumentChange: {
            /** @description The place: a JSON Pointer (RFC 6901). */
            pointer: string;
            /** @description The former value, in a few words. Absent: nothing. */
            before?: unknown;
            /** @description The new value, in a few words. Absent: nothing. */
            after?: unknown;
        };
        /**
         * @description The set of defaults, and the database, that a server works with.
         * @enum {string}
         */
        Environment: "development" | "production";
        /** @description The number of each kind that were erased. */
        Erased: {
            /**
             * Format: u-int64
             * @description 1, or 0 when the key was not registered.
             */
            identities: number;
            /**
             * Format: u-int64
             * @description Its messages.
             */
            messages: number;
            /**
             * Format: u-int64
             * @description Its sessions.
             */
            sessions: number;
            /**
             * Format: u-int64
             * @description Its API keys.
             */
            api_keys: number;
            /**
             * Format: u-int64
             * @description Its usage: one row for each model and day.
             */
            usage: number;
            /**
             * Format: u-int64
             * @description Its counters of limits.
             */
            counters: number;
            /** @description The identity was disabled, and its key stays so. */
            stays_disabled?: boolean;
        };
        /** @description The body of every failed request. */
        ErrorBody: {
            /** @description The failure. */
            error: components["schemas"]["ErrorDetail"];
        };
        /** @description A failure, for programs and for people. */
        ErrorDetail: {
            /** @description For programs: stable. New codes may be added. */
            code: string;
            /** @description For people: what is wrong and what to do. */
            message: string;
            /** @description The field that is wrong. */
            field?: string;
            /** @description `true` if the same request may succeed later. Absent: no. */
            retryable?: boolean;
            /** @description Facts for programs, by code. */
            details?: unknown;
        };
        /** @description A field that would have another value. */
        FieldChange: {
            /** @description `config.NAME` or `prompts.NAME`; `prompts` for their order. */
            field: string;
            /**
             * @description The value in force, in a few words. Absent: there is no such field. `null`: left to the
             *     provider.
             */
            before?: unknown;
            /** @description The value that would be in force. */
            after?: unknown;
        };
        /** @description A field after a change. */
        FieldChanged: {
            /** @description The field, or the stored key that named none. */
            field: string;
            now: components["schemas"]["ProfileField"] | null;
        };
        /**
         * @description The control of a field on a page. It is no limit by itself.
         * @enum {string}
         */
        FieldControl: "text" | "textarea" | "select" | "multiselect" | "slider" | "number";
        /** @description The control of a field on a page, and what stands beside it. Every name may be absent. */
        FieldOptions: {
            /**
             * @description The control.
             * @default null
             */
            type?: components["schemas"]["FieldControl"];
            /**
             * @description The label above it, plain text.
             * @default null
             */
            label?: string;
            /**
             * @description The description beside it, plain text.
             * @default null
             */
            description?: string;
            /**
             * @description The only values: models by their catalog key, tools by name, numbers, or whole texts of a
             *     prompt.
             * @default null
             */
            options?: unknown[];
            /**
             * Format: u-int32
             * @description The most characters of a prompt.
             * @default null
             */
            max_length?: number;
            /**
             * Format: double
             * @description The smallest number.
             * @default null
             */
            min?: number;
            /**
             * Format: double
             * @description The largest number.
             * @default null
             */
            max?: number;
            /**
             * Format: double
             * @description The distance between two numbers.
             * @default null
             */
            step?: number;
        };
        /** @description The field after `PUT` and `DELETE /api/v1/profile/{field}`. */
        FieldOutcome: components["schemas"]["FieldChanged"] | components["schemas"]["TimeZone"];
        /** @description The new value of a field. */
        FieldValue: string | number | string[];
        /** @description A person, as administrators see them. */
        Identity: {
            /** @description The address. */
            public_key: string;
            /** @description The person's standing. */
            standing: components["schemas"]["Standing"];
            /** @description `true` for an administrator. */
            is_admin: boolean;
            /**
             * Format: date-time
             * @description The time of registration.
             */
            created_at: string;
        };
        /** @description `GET /api/v1/admin/identities`: a page of identities. */
        IdentityPage: {
            /** @description In the order of their keys. */
            identities: components["schemas"]["Identity"][];
            /** @description Those between them that cannot be read: `/api/v1/admin/quarantine` deletes them. */
            unreadable?: components["schemas"]["Unreadable"][];
            /** @description `after` for the next page. `null`: these were the last. */
            next_after: string | null;
            /** @description The number of all of them. */
            counts: components["schemas"]["StandingCounts"];
        };
        /** @description An object without a name that stands twice, at any depth. */
        JsonObject: {
            [key: string]: unknown;
        };
        /** @description `POST /api/v1/keys`: what an API key is to be. */
        KeyRequest: {
            /** @description Its purpose: one line of 1 to 200 characters. */
            name: string;
            /** @description Its scopes; `chat` and `models.read` if left out. */
            scopes?: components["schemas"]["ApiScope"][];
            /**
             * @description The models that it may ask, by any of their names; every one that its owner may choose if
             *     left out.
             */
            models?: string[];
            /**
             * Format: u-int32
             * @description Its lifetime in days; 90 if left out.
             */
            days?: number;
        };
        /**
         * @description One source of values. The order is the strength: later wins.
         * @enum {string}
         */
        Layer: "builtin" | "catalog" | "genesis" | "group" | "identity" | "request";
        /** @description A session in a list. */
        ListedSession: components["schemas"]["Session"] & {
            /** @description `true` for the session of this request. */
            current: boolean;
        };
        /** @description `GET /livez`: the process answers. */
        Liveness: {
            /** @description `alive` */
            status: string;
        };
        /**
         * @description The reason for a lock.
         * @enum {string}
         */
        Lock: "not_editable" | "prompt_not_editable" | "no_such_prompt";
        /** @description One stored message. It is never changed after it is stored. */
        Message: {
            /** @description `msg_…` */
            id: string;
            /** @description The run that it belongs to: `run_…` */
            run_id: string;
            /** @description The address of its owner. */
            owner_key: string;
            /** @description The author. */
            role: components["schemas"]["Role"];
            /** @description The text. */
            content: string;
            /**
             * Format: date-time
             * @description The time of its creation.
             */
            timestamp: string;
            /** @description Facts about it: the model that answered, usage, tool calls. An object; expect more names. */
            metadata: components["schemas"]["MessageMetadata"];
        };
        /** @description Facts about a message beside its text. Every name may be absent, and others may be there. */
        MessageMetadata: {
            /**
             * @description The model that answered.
             * @default null
             */
            model?: components["schemas"]["AnsweredBy"];
            /**
             * Format: u-int64
             * @description The version of the template in force.
             * @default null
             */
            template_version?: number;
            /**
             * @description The reason why the model stopped: `stop`, `length`, `content_filter`, or the provider's own word.
             * @default null
             */
            finish_reason?: string;
            /**
             * @description The tokens used.
             * @default null
             */
            usage?: components["schemas"]["TokenUsage"];
            /**
             * @description The content of the run's `error` event.
             * @default null
             */
            error?: components["schemas"]["RunError"];
            /**
             * @description The model's thoughts before the answer.
             * @default null
             */
            reasoning?: string;
        };
        /** @description A page of messages, newest first. */
        MessagePage: {
            /** @description Newest first. */
            messages: components["schemas"]["Message"][];
            /** @description Those between them that cannot be read. */
            unreadable?: components["schemas"]["Unreadable"][];
            /** @description `cursor` for the next page. `null`: these were the oldest. */
            next_cursor: string | null;
        };
        /** @description A model of the catalog. */
        Model: {
            /** @description The catalog name. */
            name: string;
            /** @description The provider's name for it. */
            id: string;
            /** @description Other names. */
            aliases: string[];
            /** @description The name of its provider. */
            provider: string;
            /** @description The provider's protocol: `openai`, `anthropic`, `gemini`, or `builtin`. */
            protocol: string;
            /** @description `true` if its provider has all that it needs, and answers as far as is known. */
            available: boolean;
            /** @description The reason why not. */
            reason?: string;
            /** @description `true` if a person may choose it. */
            choosable: boolean;
            /** @description Values that hold where no stronger layer sets them. */
            default_params: components["schemas"]["DefaultParams"];
        };
        /** @description `GET /api/v1/models`: the catalog. */
        ModelList: {
            /** @description The model of people who chose none. */
            default: string;
            /** @description In the order of the template. */
            models: components["schemas"]["Model"][];
        };
        /** @description A new key, with the secret that is shown this once. */
        NewKey: {
            /** @description The secret that its owner gives to the program. */
            token: string;
            /** @description The key. */
            key: components["schemas"]["ApiKey"];
        };
        /** @description `PUT /api/v1/profile/{field}`: a new value. */
        NewValue: {
            /** @description A text, a number or a list of texts, as the field takes it. */
            value: components["schemas"]["FieldValue"];
        };
        /** @description Something that was set and is not in force as it was set. */
        Notice: {
            /** @description A stable code. */
            code: string;
            /** @description The field that it is about, such as `config.model`. */
            field: string;
            /** @description An explanation for people. */
            message: string;
        };
        /** @description The changes of a new template for people. */
        PeopleChange: {
            /**
             * Format: u-int64
             * @description The number of identities that were looked at.
             */
            read: number;
            /** @description `true` if there are more, which were not looked at. */
            has_more: boolean;
            /**
             * Format: u-int64
             * @description The number of them that get another profile.
             */
            changed: number;
            /** @description The counts, by field. */
            changed_fields: {
                [key: string]: number;
            };
            /** @description The first of them. */
            changed_examples: components["schemas"]["ChangedProfile"][];
            /**
             * Format: u-int64
             * @description The number of stored overrides that are in force now and would be refused.
             */
            refused: number;
            /**
             * Format: u-int64
             * @description The number of their owners.
             */
            refused_people: number;
            /** @description The counts, by field. */
            refused_fields: {
                [key: string]: number;
            };
            /** @description The first of them. */
            refused_examples: components["schemas"]["RefusedOverride"][];
        };
        /** @description The effect of a new template. */
        Plan: {
            /** @description The places of the document. */
            document: components["schemas"]["DocumentChange"][];
            /**
             * @description The changes of permissions and of signatures. Empty also when there is no usable template to
             *     compare with.
             */
            policy: components["schemas"]["PolicyChange"][];
            people: components["schemas"]["PeopleChange"] | null;
        };
        /** @description One rule that differs. */
        PolicyChange: {
            /** @description The field. */
            field: string;
            /** @enum {string} */
            rule: "unlocked";
        } | {
            /** @description The field. */
            field: string;
            /** @description The reason. */
            lock: components["schemas"]["Lock"];
            /** @enum {string} */
            rule: "locked";
        } | {
            /** @description The field. */
            field: string;
            /** @description The former bounds, in words. */
            before: string;
            /** @description The new bounds, in words. */
            after: string;
            /** @enum {string} */
            rule: "bounds";
        } | {
            /** @description The command. */
            command: string;
            /** @enum {string} */
            rule: "signature_needed";
        } | {
            /** @description The command. */
            command: string;
            /** @enum {string} */
            rule: "signature_not_needed";
        };
        /** @description One thing that is wrong, or odd, in a document. */
        Problem: {
            /** @description The place: a JSON Pointer (RFC 6901), such as `/llm/catalog/gemini-2.5-flash/provider`. */
            pointer: string;
            /** @description The value that is there. */
            found: string;
            /** @description The value that is expected. */
            expected: string;
        };
        /** @description The values in force for a person, and where they come from. */
        Profile: {
            /** @description The address, with the upper and lower case letters of its checksum (EIP-55). */
            public_key: string;
            /**
             * Format: date-time
             * @description The time of registration.
             */
            created_at: string;
            /** @description The name of this installation. */
            app_name: string;
            /**
             * Format: u-int64
             * @description The version of the template in force.
             */
            template_version: number;
            /** @description Each setting and each prompt. */
            fields: components["schemas"]["ProfileField"][];
            /** @description `ui.field_options` of the template, by the full name of each field. */
            field_options: {
                [key: string]: components["schemas"]["FieldOptions"];
            };
            /** @description Stored values of this person that could not be used as they are. */
            notices: components["schemas"]["Notice"][];
            /** @description A name of the IANA time zone database. `null`: UTC. */
            time_zone: string | null;
        };
        /** @description One field of a profile. */
        ProfileField: {
            /** @description `config.NAME` or `prompts.NAME` */
            field: string;
            /** @description The value in force. `null`: left to the provider. An empty prompt: removed. */
            value: unknown;
            /** @description The layer that set it. */
            layer: components["schemas"]["Layer"];
            /** @description The values of weaker layers, strong to weak. */
            shadowed: components["schemas"]["Shadowed"][];
            /** @description `true` if the person may change it. */
            editable: boolean;
            /** @description The reason why not. */
            lock?: components["schemas"]["Lock"];
            /** @description The limits for a change. */
            bounds?: components["schemas"]["Bounds"];
        };
        /** @description A part of a collection that was looked through. */
        QuarantinePage: {
            /** @description The collection. */
            collection: components["schemas"]["Collection"];
            /** @description The unreadable documents. */
            unreadable: components["schemas"]["Unreadable"][];
            /**
             * Format: u-int64
             * @description The number of documents that were looked at.
             */
            looked_at: number;
            /** @description `after` for the next part of this collection. `null`: this was the last. */
            next_after: string | null;
        };
        /** @description `GET /readyz`: whether the server can do its work. */
        Readiness: {
            /** @description The sum of the rest. */
            status: components["schemas"]["ReadinessStatus"];
            /** @description The state of the store. */
            store: components["schemas"]["StoreStatus"];
            /** @description The template in force. */
            template: components["schemas"]["TemplateStatus"];
            /** @description The reasons why the server is not simply ready, for people. */
            reasons: string[];
        };
        /**
         * @description The readiness of a server.
         * @enum {string}
         */
        ReadinessStatus: "ready" | "degraded" | "unavailable";
        /** @description A stored override that would lose its effect. It stays stored. */
        RefusedOverride: {
            /** @description The address of its owner. */
            public_key: string;
            /** @description The field. */
            field: string;
            /** @description The stored value, for settings. The words of a prompt are their owner's. */
            value?: unknown;
            /** @description The code of the refusal, such as `unknown_model` or `field_locked`. */
            code: string;
            /** @description The reason, for people. */
            reason: string;
        };
        /** @description `POST /api/v1/identity`: what became of a registration. */
        Registered: {
            /** @description The address. */
            public_key: string;
            /** @description `true` if this request registered it. */
            created: boolean;
            /** @description The person's standing. */
            standing: components["schemas"]["Standing"];
        };
        /** @description The number of keys or sessions that were revoked. */
        Revoked: {
            /**
             * Format: u-int64
             * @description Their number.
             */
            revoked: number;
        };
        /**
         * @description The author of a stored message.
         * @enum {string}
         */
        Role: "human" | "ai" | "tool" | "system";
        /** @description Something went wrong in a run that had begun. */
        RunError: {
            /** @description A stable code. */
            code: string;
            /** @description The field that is wrong, such as `config.model`. */
            field?: string;
            /** @description An explanation for people, with the next step. */
            message: string;
            /** @description `true` if asking again may help. */
            retryable: boolean;
            /**
             * Format: u-int64
             * @description The seconds to wait before asking again, where the provider said so.
             */
            retry_after?: number;
        };
        /** @description The run has ended. */
        RunFinished: {
            /** @description Names the run. */
            run_id: string;
            /** @description The status of the run. */
            status: components["schemas"]["RunStatus"];
            /** @description The model that answered, as the provider says. Absent when no model was asked. */
            model?: components["schemas"]["AnsweredBy"];
            /**
             * @description The reason why the model stopped: `stop`, `length`, `tool_calls`, `content_filter`, or the
             *     provider's own word. Absent when it did not say.
             */
            finish_reason?: string;
            /**
             * @description The reason why the answer was stopped early: `cancelled` or `shutdown`. Absent when it was not; an
             *     `error` event told of the failure of a provider.
             */
            interrupted?: string;
            /** @description The tokens used, over all rounds. Absent when no model was reached. */
            usage?: components["schemas"]["TokenUsage"];
            /**
             * @description `true` if the provider of at least one round told no usage: it was estimated from the
             *     length of the texts. Absent when not.
             */
            usage_estimated?: boolean;
            /** @description Every message of this run that is stored, in order. */
            message_ids: string[];
        };
        /** @description The run goes otherwise than it was asked for. */
        RunNotice: components["schemas"]["Notice"] & {
            /** @description With `fallback`: the catalog name of the model that answers. */
            model?: string;
        };
        /** @description The run has begun. */
        RunStarted: {
            /** @description Names the run. */
            run_id: string;
            /** @description The address of its owner. */
            owner_key: string;
            /** @description The stored question. Absent for a visitor, of whom nothing is stored. */
            message_id?: string;
            /** @description The catalog name of the model that is asked. Absent for a visitor. */
            model?: string;
            /**
             * Format: u-int64
             * @description The version of the template in force; 0 is the emergency template. Absent for a visitor.
             */
            template_version?: number;
            /** @description A notice of the merge: a value that was ignored, clamped or replaced. */
            notices?: components["schemas"]["Notice"][];
            /** @description Every value in force and where it came from, for requests with `x-nexus-explain: 1`. */
            explanation?: components["schemas"]["ProfileField"][];
        };
        /**
         * @description The status of a run that has ended.
         * @enum {string}
         */
        RunStatus: "completed" | "visitor_guidance_sent" | "tool_limit" | "interrupted" | "failed";
        /**
         * @description The reach of a session.
         * @enum {string}
         */
        Scope: "personal" | "admin";
        /** @description `GET /api/v1`: the server and its routes. */
        ServerInfo: {
            /** @description `nexus` */
            name: string;
            /** @description The version of the program. */
            version: string;
            /** @description The name of this installation. `null`: no template is in force. */
            app_name: string | null;
            /**
             * @description `true` if the credential of the request is a session in force. `null`: that cannot be told at the
             *     moment.
             */
            signed_in: boolean | null;
            /** @description Each route: its method and its path. */
            routes: string[];
        };
        /** @description A session, as its owner sees it. */
        Session: {
            /** @description `ses_` and 32 hexadecimal digits. */
            id: string;
            /** @description Its reach. */
            scope: components["schemas"]["Scope"];
            /**
             * Format: date-time
             * @description The time of its creation.
             */
            created_at: string;
            /**
             * Format: date-time
             * @description The time of its last use, to within five minutes.
             */
            last_seen_at: string;
            /**
             * Format: date-time
             * @description From this moment on it is refused.
             */
            expires_at: string;
            /** @description The name that the client gave itself when it signed in. */
            client: string;
        };
        /** @description A value that a stronger layer hides. */
        Shadowed: {
            /** @description The layer that had set it. */
            layer: components["schemas"]["Layer"];
            /** @description To what. */
            value: unknown;
        };
        /** @description `POST /api/v1/auth/verify`: a signed challenge. */
        SignIn: {
            /** @description The text, exactly as it was signed. */
            message: string;
            /** @description `0x` and 130 hexadecimal digits. */
            signature: string;
            /**
             * @description `true` for a session as a cookie that no script can read; the answer then has no
             *     token.
             */
            cookie?: boolean;
        };
        /** @description The owner of the session, and the session. */
        SignedIn: {
            /** @description The address, with the upper and lower case letters of its checksum (EIP-55). */
            public_key: string;
            /** @description `true` if the key is registered and let in. */
            standing: components["schemas"]["SignedInStanding"];
            /** @description `true` for an administrator. */
            is_admin: boolean;
            /** @description Guidance for people who are no members: the reason, and the next step. */
            guidance?: string;
            /** @description The session. */
            session: components["schemas"]["Session"];
            /**
             * @description The secret of a new session. Absent when it is in a cookie, and when the session was there
             *     before.
             */
            token?: string;
        };
        /**
         * @description The standing of the key of a session.
         * @enum {string}
         */
        SignedInStanding: "member" | "visitor" | "pending" | "disabled" | "unreadable";
        /** @description `DELETE /api/v1/auth/session`: the session has ended. */
        SignedOut: {
            /** @description `true` */
            signed_out: boolean;
        };
        /**
         * @description The standing of a registered person.
         * @enum {string}
         */
        Standing: "active" | "pending" | "disabled";
        /** @description `PUT /api/v1/admin/identities/{key}`: the decision about a person. */
        StandingChange: {
            /** @description The new standing. */
            standing: components["schemas"]["Decision"];
        };
        /** @description The number of identities of each standing. */
        StandingCounts: {
            /**
             * Format: u-int64
             * @description Let in. As far as can be told quickly.
             */
            active: number;
            /**
             * Format: u-int64
             * @description Waiting for an administrator.
             */
            pending: number;
            /**
             * Format: u-int64
             * @description Locked out.
             */
            disabled: number;
        };
        /** @description Numbers go in steps of `size`, counted from `origin`. */
        Step: {
            /**
             * Format: double
             * @description The distance between two numbers; more than 0.
             */
            size: number;
            /**
             * Format: double
             * @description A number that is on the grid.
             */
            origin: number;
        };
        /**
         * @description The state of the store.
         * @enum {string}
         */
        StoreStatus: "ok" | "unavailable";
        /** @description `GET /api/v1/admin/template`: the stored template. */
        Template: {
            /** @description The environment that it is for. */
            environment: components["schemas"]["Environment"];
            /**
             * Format: u-int64
             * @description 0: there is none yet.
             */
            version: number;
            /** @description Its author. */
            author: string | null;
            /**
             * Format: date-time
             * @description The time when it was stored.
             */
            created_at: string | null;
            /** @description The SHA-256 of the document as it was stored. */
            hash: string | null;
            /** @description Without keys that were written in clear. */
            document: {
                [key: string]: unknown;
            } | null;
            /** @description The oddities in it. */
            warnings: components["schemas"]["Problem"][];
            /** @description The reasons why it cannot be used. */
            problems: components["schemas"]["Problem"][];
            /** @description The template in force on this node. */
            health: components["schemas"]["TemplateHealth"];
        };
        /** @description `PUT /api/v1/admin/template`: a new document. */
        TemplateChange: {
            /** @description The whole new document. */
            document: Record<string, never>;
            /**
             * Format: u-int64
             * @description The version that it was made from. 0: there was none.
             */
            expected_version: number;
        };
        /** @description The effect of a change of the template, made or planned. */
        TemplateChanged: {
            /**
             * Format: u-int64
             * @description The version that is stored now.
             */
            version: number;
            /** @description `true` if this request made it. */
            changed: boolean;
            /** @description The changes. */
            plan: components["schemas"]["Plan"];
            /** @description The oddities in the document. */
            warnings: components["schemas"]["Problem"][];
            /** @description Identities that the plan leaves out, because they cannot be read: the first 100. */
            unreadable?: components["schemas"]["Unreadable"][];
        };
        /** @description The template in force on one node. */
        TemplateHealth: {
            /**
             * Format: u-int64
             * @description Its version. `null`: nothing is in force.
             */
            version: number | null;
            /** @description `true` while the emergency template stands in. */
            emergency: boolean;
            /** @description The reasons why the stored one is not in force. */
            problems: string[];
        };
        /** @description The template in force on this node. */
        TemplateStatus: {
            /** @description The environment of the server. */
            environment: components["schemas"]["Environment"];
            /**
             * Format: u-int64
             * @description Its version. `null`: none is in force.
             */
            version: number | null;
            /** @description `true` while the emergency template stands in. */
            emergency: boolean;
        };
        /** @description One accepted version of the template, without its document. */
        TemplateVersion: {
            /**
             * Format: u-int64
             * @description 1 for the first, then one more each time.
             */
            version: number;
            /** @description Its author. */
            author: string;
            /**
             * Format: date-time
             * @description The time when it was stored.
             */
            created_at: string;
            /** @description The SHA-256 of the document as it was stored. */
            hash: string;
        };
        /** @description A piece of the answer. */
        TextChunk: {
            /** @description The text; it may end in the middle of a word, never of a character. */
            chunk: string;
            /** @description The channel that it belongs to. */
            channel: components["schemas"]["Channel"];
        };
        /** @description The time zone of a person after a change. */
        TimeZone: {
            /** @description A name of the IANA time zone database. `null`: UTC. */
            time_zone: string | null;
        };
        /** @description Tokens used, as the provider counted them. */
        TokenUsage: {
            /**
             * Format: u-int64
             * @description Tokens of the request.
             */
            input_tokens: number;
            /**
             * Format: u-int64
             * @description Tokens of the answer, reasoning included.
             */
            output_tokens: number;
            /**
             * Format: u-int64
             * @description The input tokens that came from the provider's cache.
             */
            cached_input_tokens?: number;
            /**
             * Format: u-int64
             * @description The output tokens that were reasoning.
             */
            reasoning_tokens?: number;
        };
        /** @description One tool of a server. */
        Tool: {
            /** @description The name for `config.tools`. */
            name: string;
            /** @description The name that models see. */
            model_name: string;
            /** @description The words of its server. */
            description: string;
            /** @description `true` if the person has it. */
            on: boolean;
        };
        /** @description A tool has answered, or failed to. */
        ToolCallFinished: {
            /** @description Names the call within the run. */
            call_id: string;
            /** @description The tool. */
            tool_name: string;
            /** @description The status of the call. */
            status: components["schemas"]["ToolStatus"];
            /** @description The result. */
            result: string;
        };
        /** @description A tool is about to be called. */
        ToolCallStarted: {
            /** @description Names the call within the run. */
            call_id: string;
            /** @description The tool. */
            tool_name: string;
            /** @description The arguments. */
            args: unknown;
        };
        /** @description `GET /api/v1/tools`: the tool servers and their tools. */
        ToolList: {
            /** @description In the order of the template, after what is built in. */
            servers: components["schemas"]["ToolServer"][];
        };
        /** @description A tool server and its tools. */
        ToolServer: {
            /** @description `current_time`, or the name of the server. */
            name: string;
            /** @description `builtin`, `stdio` (a program of the server's machine) or `http`. */
            kind: string;
            /** @description `true` if its tools can be called now. */
            reachable: boolean;
            /** @description The reason why not. Advice about it is for whoever runs the server. */
            reason?: string;
            /** @description Its tools. */
            tools: components["schemas"]["Tool"][];
        };
        /**
         * @description The status of a tool call.
         * @enum {string}
         */
        ToolStatus: "success" | "error";
        /** @description A document that cannot be read. */
        Unreadable: {
            /** @description Its collection. */
            collection: components["schemas"]["Collection"];
            /** @description Its name in the database, by which it can be deleted. */
            id: string;
            /** @description A name for people, such as `identity 0xsomebody`. */
            what: string;
            /** @description The defect. */
            reason: string;
        };
        /** @description A count and what it is of. */
        Usage: components["schemas"]["UsageCount"] & {
            /** @description The address of whoever asked. */
            owner: string;
            /**
             * Format: date
             * @description The day in UTC on which the run began.
             */
            day: string;
            /** @description The name of the model in the catalog. */
            model: string;
        };
        /** @description An amount of usage. A number stays at the largest that there is rather than start over. */
        UsageCount: {
            /**
             * Format: u-int64
             * @description Runs that asked the model.
             */
            runs: number;
            /**
             * Format: u-int64
             * @description Tokens that the model was sent, cached ones among them.
             */
            input_tokens: number;
            /**
             * Format: u-int64
             * @description Tokens that the model wrote, those of its reasoning among them.
             */
            output_tokens: number;
            /**
             * Format: u-int64
             * @description Sent tokens that the provider had in its cache.
             */
            cached_input_tokens: number;
            /**
             * Format: u-int64
             * @description Written tokens that were reasoning.
             */
            reasoning_tokens: number;
            /**
             * Format: u-int64
             * @description The cost, in millionths of the currency that the prices of the catalog are in.
             */
            cost_micros: number;
            /**
             * Format: u-int64
             * @description Runs of which the provider did not tell all of that: the rest is an estimate from the length
             *     of the texts.
             */
            estimated_runs: number;
        };
        /** @description The usage of a person. */
        UsageReport: {
            /**
             * Format: date
             * @description The first day.
             */
            from: string;
            /**
             * Format: date
             * @description The last day.
             */
            to: string;
            /** @description In the order of days, then of models. */
            usage: components["schemas"]["Usage"][];
            /** @description All of it together. */
            total: components["schemas"]["UsageCount"];
        };
        /** @description One accepted version with its document, without keys that were written in clear. */
        VersionDetail: components["schemas"]["TemplateVersion"] & {
            /** @description The environment that it is for. */
            environment: components["schemas"]["Environment"];
            /** @description Its document. */
            document: {
                [key: string]: unknown;
            };
        };
        /** @description A page of versions, newest first. */
        VersionPage: {
            /** @description Newest first. */
            versions: components["schemas"]["TemplateVersion"][];
            /**
             * Format: u-int64
             * @description `before` for the next page. `null`: these were the oldest.
             */
            next_before: number | null;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
